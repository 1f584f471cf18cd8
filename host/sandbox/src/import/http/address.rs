//! Which addresses the public can reach. All others need a grant that says `private`, or are named by the origin itself.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Whether an address is one of the public internet's. What is not known to be, is not.
pub(super) fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

/// By the registry of special addresses of the IANA.
fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let special = matches!(
        (a, b, c),
        // This network, private use, loopback.
        (0 | 10 | 127, ..)
            // Behind the NAT of carriers.
            | (100, 64..=127, _)
            // Link-local, where clouds answer with credentials.
            | (169, 254, _)
            | (172, 16..=31, _)
            // IETF protocols, documentation, relays of 6to4, private use, benchmarks.
            | (192, 0, 0 | 2)
            | (192, 88, 99)
            | (192, 168, _)
            | (198, 18 | 19, _)
            | (198, 51, 100)
            | (203, 0, 113)
            // Multicast, reserved, broadcast.
            | (224..=255, ..)
    );
    !special
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let segments = address.segments();
    let [a, b, ..] = segments;
    // Global unicast is 2000::/3 and nothing else.
    if a & 0xe000 != 0x2000 {
        return false;
    }
    let inner = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        is_public_v4(Ipv4Addr::new(a, b, c, d))
    };
    match (a, b) {
        // Protocols of the IETF, Teredo among them, whose inner address is somebody else's word.
        (0x2001, 0..=0x01ff) => false,
        (0x2001, 0x0db8) => false,
        // 6to4: what is inside counts.
        (0x2002, _) => inner(segments[1], segments[2]),
        (0x3fff, 0..=0x0fff) => false,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_public_can_not_reach_is_known() {
        let check = |text: &str, expected: bool| assert_eq!(is_public(text.parse().unwrap()), expected, "{text}");
        for public in ["1.1.1.1", "9.255.255.255", "100.63.255.255", "100.128.0.0", "172.15.0.1", "172.32.0.1"] {
            check(public, true);
        }
        for public in ["169.253.0.1", "192.0.1.1", "198.17.0.1", "198.20.0.1", "223.255.255.255", "11.0.0.1"] {
            check(public, true);
        }
        for special in ["0.0.0.0", "10.1.2.3", "127.0.0.1", "127.255.0.1", "100.64.0.1", "100.127.255.255"] {
            check(special, false);
        }
        for special in ["169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.8", "192.0.2.1", "192.168.1.1"] {
            check(special, false);
        }
        for special in ["192.88.99.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1", "240.0.0.1"] {
            check(special, false);
        }
        check("255.255.255.255", false);
        for public in ["2606:4700::1111", "2a00::1", "2002:101:101::1", "2001:200::1"] {
            check(public, true);
        }
        for special in ["::", "::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::127.0.0.1", "64:ff9b::7f00:1", "100::1"]
        {
            check(special, false);
        }
        for special in ["fc00::1", "fd00::1", "fe80::1", "ff02::1", "fec0::1", "2001::1", "2001:db8::1", "3fff::1"] {
            check(special, false);
        }
        check("2002:7f00:1::1", false);
        check("2002:a00:1::", false);
        check("::ffff:1.1.1.1", true);
    }
}
