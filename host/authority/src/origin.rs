//! Where a request over HTTP goes: scheme, host and port, in the one form in which they are compared.
//!
//! Strict on purpose: what two programs could read in two ways (numbers in odd spellings, a user name before the host, a
//! dot at its end, letters that are no ASCII) is no origin.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Most bytes of a host's name, and of one label of it.
const MAX_NAME_BYTES: usize = 253;
const MAX_LABEL_BYTES: usize = 63;

/// How a server is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scheme {
    /// In the clear.
    Http,
    /// Over TLS.
    Https,
}

/// The host of an origin.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Host {
    /// A name: ASCII labels in lower case, without a dot at the end.
    Name(String),
    /// An address; an IPv4 address in the form of an IPv6 one is that IPv4 address.
    Address(IpAddr),
}

/// A scheme, a host and a port. Text form: `https://api.example.org`, with the port where it is not the scheme's own.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin {
    scheme: Scheme,
    host: Host,
    port: u16,
}

/// One origin, or all of one scheme and port whose host lies one label below a name: `https://*.example.org`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OriginPattern {
    /// This origin.
    One(Origin),
    /// The origins whose host has exactly one label more than that of this one, which is a name.
    Below(Origin),
}

/// Why a text is no origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OriginError {
    /// It has no scheme that is known.
    #[error("it begins with neither `https://` nor `http://`")]
    Scheme,
    /// It has a user name.
    #[error("it has a user name or a password before the host")]
    UserInfo,
    /// It goes on after the port.
    #[error("it goes on after the host and the port: an origin has no path")]
    Path,
    /// The port is none.
    #[error("the port is no number from 1 to 65535")]
    Port,
    /// The host is empty, or has an empty label.
    #[error("the host is empty, or has a part that is")]
    Empty,
    /// The host ends with a dot.
    #[error("the host ends with a dot")]
    TrailingDot,
    /// The host has letters that are no ASCII.
    #[error("the host has letters that are no ASCII: write it as it is looked up, as `xn--bcher-kva.example`")]
    NotAscii,
    /// The host has characters that no name has.
    #[error("the host has characters that no host's name has")]
    Character,
    /// The host is too long.
    #[error("the host has more than {MAX_NAME_BYTES} bytes, or a part of it more than {MAX_LABEL_BYTES}")]
    TooLong,
    /// The host ends like a number, but is no IPv4 address in its usual form.
    #[error("the host ends with a number, but is not four numbers from 0 to 255 without zeros before them")]
    OddAddress,
    /// What stands in brackets is no IPv6 address.
    #[error("what stands in brackets is no IPv6 address")]
    NotIpv6,
    /// A wildcard stands elsewhere than alone in front of two labels.
    #[error("`*` stands for one whole part in front of at least two others, as in `https://*.example.org`")]
    Wildcard,
}

impl Scheme {
    /// The port that is meant where none is written.
    #[must_use]
    pub const fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }

    /// Its name, as a URL begins.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

impl Origin {
    /// Reads an origin, as `https://api.example.org:8443`. Scheme and host may be in capitals.
    ///
    /// # Errors
    /// When it is none, or one that could be read in two ways.
    pub fn parse(text: &str) -> Result<Self, OriginError> {
        let (scheme, authority) = scheme_of(text)?;
        Self::of_authority(scheme, authority)
    }

    /// The origin of a URL: what stands before its path, query and fragment.
    ///
    /// # Errors
    /// As [`Origin::parse`].
    pub fn of_url(url: &str) -> Result<Self, OriginError> {
        let (scheme, rest) = scheme_of(url)?;
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        Self::of_authority(scheme, rest.get(..end).unwrap_or_default())
    }

    /// Reads `HOST` or `HOST:PORT`, as a request holds it.
    ///
    /// # Errors
    /// As [`Origin::parse`].
    pub fn of_authority(scheme: Scheme, authority: &str) -> Result<Self, OriginError> {
        if authority.contains('@') {
            return Err(OriginError::UserInfo);
        }
        if authority.contains(['/', '?', '#', '\\']) {
            return Err(OriginError::Path);
        }
        let (host, port) = match authority.strip_prefix('[') {
            Some(rest) => {
                let (inside, after) = rest.split_once(']').ok_or(OriginError::NotIpv6)?;
                let address: Ipv6Addr = inside.parse().map_err(|_| OriginError::NotIpv6)?;
                let port = match after.strip_prefix(':') {
                    Some(port) => Some(port),
                    None if after.is_empty() => None,
                    None => return Err(OriginError::Character),
                };
                (Host::Address(address.to_canonical()), port)
            }
            None => match authority.split_once(':') {
                Some((host, port)) => (Host::parse(host)?, Some(port)),
                None => (Host::parse(authority)?, None),
            },
        };
        let port = port.map_or(Ok(scheme.default_port()), |text| read_port(text).ok_or(OriginError::Port))?;
        Ok(Self { scheme, host, port })
    }

    /// How the server is spoken to.
    #[must_use]
    pub const fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The server.
    #[must_use]
    pub const fn host(&self) -> &Host {
        &self.host
    }

    /// Its port.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Whether nobody on the way can read what is sent there: it goes over TLS, or stays on this machine.
    pub(crate) fn is_confidential(&self) -> bool {
        let here = match &self.host {
            Host::Name(name) => name == Host::LOCAL,
            Host::Address(address) => address.is_loopback(),
        };
        self.scheme == Scheme::Https || here
    }
}

impl Host {
    /// The host of this machine, which is not looked up.
    pub const LOCAL: &str = "localhost";

    fn parse(text: &str) -> Result<Self, OriginError> {
        if !text.is_ascii() {
            return Err(OriginError::NotAscii);
        }
        if text.contains('*') {
            return Err(OriginError::Wildcard);
        }
        if text.ends_with('.') {
            return Err(OriginError::TrailingDot);
        }
        if text.len() > MAX_NAME_BYTES {
            return Err(OriginError::TooLong);
        }
        let name = text.to_ascii_lowercase();
        for label in name.split('.') {
            check_label(label)?;
        }
        // As browsers and the C library do, such a name would be read as an address, in whatever base.
        if name.rsplit('.').next().is_some_and(looks_like_a_number) {
            let address: Ipv4Addr = name.parse().map_err(|_| OriginError::OddAddress)?;
            return Ok(Self::Address(address.into()));
        }
        Ok(Self::Name(name))
    }

    /// The name without its first label, where that leaves at least two.
    fn parent(&self) -> Option<&str> {
        match self {
            Self::Name(name) => name.split_once('.').map(|(_, parent)| parent).filter(|parent| parent.contains('.')),
            Self::Address(_) => None,
        }
    }
}

impl OriginPattern {
    /// Reads an origin or, with `*.` before the host, the origins below it.
    ///
    /// # Errors
    /// When it is neither.
    pub fn parse(text: &str) -> Result<Self, OriginError> {
        let (scheme, authority) = scheme_of(text)?;
        let Some(parent) = authority.strip_prefix("*.") else {
            return Origin::of_authority(scheme, authority).map(Self::One);
        };
        let origin = Origin::of_authority(scheme, parent)?;
        match &origin.host {
            // `*.org` would be everybody.
            Host::Name(name) if name.contains('.') => Ok(Self::Below(origin)),
            _ => Err(OriginError::Wildcard),
        }
    }

    /// Says whether an origin is among them.
    #[must_use]
    pub fn contains(&self, origin: &Origin) -> bool {
        let here = self.origin();
        here.scheme == origin.scheme && here.port == origin.port && self.holds_host(&origin.host)
    }

    /// Says whether all of `other` are among them.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        match other {
            Self::One(origin) => self.contains(origin),
            Self::Below(_) => self == other,
        }
    }

    /// The pattern with a wildcard that holds an origin, if one can.
    pub(crate) fn above(origin: &Origin) -> Option<Self> {
        let parent = origin.host.parent()?;
        Some(Self::Below(Origin { host: Host::Name(parent.to_owned()), ..*origin }))
    }

    /// Its origin, of the host below which the others are where it has a wildcard.
    #[must_use]
    pub const fn origin(&self) -> &Origin {
        match self {
            Self::One(origin) | Self::Below(origin) => origin,
        }
    }

    /// Says whether a host is that of one of them.
    pub(crate) fn holds_host(&self, host: &Host) -> bool {
        match self {
            Self::One(origin) => origin.host == *host,
            Self::Below(above) => matches!(&above.host, Host::Name(name) if host.parent() == Some(name)),
        }
    }

    /// The host as it is written: with the wildcard, if there is one.
    pub(crate) fn host(&self) -> String {
        match self {
            Self::One(origin) => origin.host.to_string(),
            Self::Below(origin) => format!("*.{}", origin.host),
        }
    }
}

fn scheme_of(text: &str) -> Result<(Scheme, &str), OriginError> {
    let (scheme, rest) = text.split_once("://").ok_or(OriginError::Scheme)?;
    let known = [Scheme::Http, Scheme::Https].into_iter().find(|known| scheme.eq_ignore_ascii_case(known.name()));
    known.map(|scheme| (scheme, rest)).ok_or(OriginError::Scheme)
}

fn read_port(text: &str) -> Option<u16> {
    let digits = text.len() <= 5 && text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
    text.parse().ok().filter(|_| digits)
}

fn check_label(label: &str) -> Result<(), OriginError> {
    // Not in RFC 1123, but in use: `_dmarc`, `my_host`.
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if label.is_empty() {
        Err(OriginError::Empty)
    } else if label.len() > MAX_LABEL_BYTES {
        Err(OriginError::TooLong)
    } else if !label.bytes().all(allowed) || label.starts_with('-') || label.ends_with('-') {
        Err(OriginError::Character)
    } else {
        Ok(())
    }
}

/// Whether the last label makes readers of URLs take the whole host for an IPv4 address.
fn looks_like_a_number(label: &str) -> bool {
    let hex = label.strip_prefix("0x").is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
    hex || label.bytes().all(|byte| byte.is_ascii_digit())
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Address(IpAddr::V4(address)) => write!(f, "{address}"),
            Self::Address(IpAddr::V6(address)) => write!(f, "[{address}]"),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        OriginPattern::One(self.clone()).fmt(f)
    }
}

impl fmt::Display for OriginPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Origin { scheme, port, .. } = self.origin();
        write!(f, "{}://{}", scheme.name(), self.host())?;
        if *port == scheme.default_port() { Ok(()) } else { write!(f, ":{port}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<&str, OriginError>) {
        let read = OriginPattern::parse(text).map(|origin| origin.to_string());
        assert_eq!(read, expected.map(str::to_owned), "{text}");
        if let Ok(written) = read {
            assert_eq!(OriginPattern::parse(&written), OriginPattern::parse(text), "written and read it is another");
        }
    }

    #[test]
    fn an_origin_has_one_form() {
        check("https://API.example.org", Ok("https://api.example.org"));
        check("HTTPS://api.example.org:443", Ok("https://api.example.org"));
        check("https://api.example.org:80", Ok("https://api.example.org:80"));
        check("http://localhost:8080", Ok("http://localhost:8080"));
        check("https://xn--bcher-kva.example", Ok("https://xn--bcher-kva.example"));
        check("http://my_host", Ok("http://my_host"));
        check("https://*.example.org:8443", Ok("https://*.example.org:8443"));
    }

    #[test]
    fn an_address_has_one_form_and_no_odd_spelling() {
        check("http://127.0.0.1", Ok("http://127.0.0.1"));
        check("http://[0:0:0:0:0:0:0:1]:81", Ok("http://[::1]:81"));
        check("http://[2001:DB8::a]", Ok("http://[2001:db8::a]"));
        check("http://[::ffff:10.0.0.1]", Ok("http://10.0.0.1"));
        let odd = ["127.1", "0x7f.0.0.1", "2130706433", "017700000001", "0x7f000001", "127.0.0.01", "256.0.0.1", "a.1"];
        for host in odd {
            check(&format!("http://{host}"), Err(OriginError::OddAddress));
        }
        for host in ["[::1", "[::1%eth0]", "[1.2.3.4]", "[]"] {
            check(&format!("http://{host}"), Err(OriginError::NotIpv6));
        }
        check("http://[::1]x", Err(OriginError::Character));
        check("http://::1", Err(OriginError::Empty));
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_no_origin() {
        check("api.example.org", Err(OriginError::Scheme));
        check("ftp://example.org", Err(OriginError::Scheme));
        check("https://example.org@evil.example", Err(OriginError::UserInfo));
        check("https://a:b@example.org", Err(OriginError::UserInfo));
        check("https://example.org/", Err(OriginError::Path));
        check("https://evil.example\\.example.org", Err(OriginError::Path));
        check("https://example.org?x", Err(OriginError::Path));
        check("https://example.org#x", Err(OriginError::Path));
        check("https://example.org.", Err(OriginError::TrailingDot));
        check("https://a..b", Err(OriginError::Empty));
        check("https://", Err(OriginError::Empty));
        check("https://bücher.example", Err(OriginError::NotAscii));
        check("https://a b", Err(OriginError::Character));
        check("https://a%2eb", Err(OriginError::Character));
        check("https://-a.b", Err(OriginError::Character));
        check("https://a\n.b", Err(OriginError::Character));
        for port in ["", "0", "65536", "+80", "080", "8a", "1:2"] {
            check(&format!("https://a.b:{port}"), Err(OriginError::Port));
        }
        check(&format!("https://{}.org", "x".repeat(63)), Ok(&format!("https://{}.org", "x".repeat(63))));
        check(&format!("https://{}.org", "x".repeat(64)), Err(OriginError::TooLong));
        check(&format!("https://{}org", "x.".repeat(126)), Err(OriginError::TooLong));
    }

    #[test]
    fn a_wildcard_is_one_whole_label() {
        let below = OriginPattern::parse("https://*.example.org").unwrap();
        let holds = |text: &str| below.contains(&Origin::parse(text).unwrap());
        assert!(holds("https://a.example.org") && holds("https://A.Example.org:443"));
        for other in ["https://example.org", "https://a.b.example.org", "https://aexample.org", "http://a.example.org"]
        {
            assert!(!holds(other), "{other}");
        }
        assert!(!holds("https://a.example.org:8443"));
        for wrong in ["https://*.org", "https://*", "https://a*.b.org", "https://*.*.b.org", "https://a.*.b.org"] {
            check(wrong, Err(OriginError::Wildcard));
        }
        check("https://*.10.0.0.1", Err(OriginError::Wildcard));
    }

    #[test]
    fn the_origin_of_a_url_is_what_stands_before_its_path() {
        let of = |url: &str| Origin::of_url(url).map(|origin| origin.to_string());
        assert_eq!(of("https://a.b/c?d@e"), Ok("https://a.b".to_owned()));
        assert_eq!(of("https://a.b:8443?x"), Ok("https://a.b:8443".to_owned()));
        assert_eq!(of("https://a.b#@c.d"), Ok("https://a.b".to_owned()));
        assert_eq!(of("https://u@a.b/"), Err(OriginError::UserInfo));
        assert_eq!(of("https://a.b\\@c.d/"), Err(OriginError::UserInfo));
    }
}
