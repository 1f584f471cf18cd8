//! How a session with MySQL or MariaDB begins: who asks, and by which password.

use super::packet::{ERROR, OK, read, refusal, write};
use super::read::Read;
use crate::error::QueryError;
use crate::session::Opening;
use crate::wire::Wire;
use palisade_model::sql::ServerAddress;
use sha1::{Digest as _, Sha1};
use sha2::Sha256;

/// Most bytes of a packet while nobody is let in.
const MAX_PACKET: usize = 64 << 10;
/// Most packets of a server before it waits for statements.
const MAX_PACKETS: usize = 20;
/// Long passwords and flags, a database, the protocol of 4.1, transactions, proofs of several kinds. Neither several
/// statements at once nor files of this machine.
const CAPABILITIES: u32 = 0x1 | 0x4 | 0x8 | 0x200 | 0x2000 | 0x8000 | 0x8_0000;
const CAPABILITY_TLS: u32 = 0x800;
/// All of Unicode: `utf8mb4_general_ci`.
const CHARSET: u8 = 45;
const MAX_ANSWER: u32 = 1 << 30;
const NATIVE: &str = "mysql_native_password";
const CACHING: &str = "caching_sha2_password";
const AUTH_SWITCH: u8 = 0xfe;
const AUTH_MORE: u8 = 0x01;
/// The server knows the password already, and takes the proof.
const FAST: u8 = 3;
/// The server wants the password itself.
const FULL: u8 = 4;

/// What a server says first.
#[derive(Debug)]
pub(super) struct Greeting {
    /// By what the session is known.
    pub(super) thread: u32,
    pub(super) is_mariadb: bool,
    salt: Vec<u8>,
    plugin: String,
    speaks_tls: bool,
}

/// Connects, says who asks and proves it.
pub(super) fn login(opening: &Opening<'_>) -> Result<(Wire, Greeting), QueryError> {
    let spec = opening.spec;
    let mut wire = Wire::connect(&spec.address, opening.folder, opening.opening)?;
    let first = next(&mut wire)?.1;
    if first.first() == Some(&ERROR) {
        return Err(not_let_in(&first, opening));
    }
    let greeting = Greeting::of(&first).ok_or_else(|| QueryError::protocol("it greets in a way of its own"))?;
    let mut number = 1;
    let mut head = (CAPABILITIES | if opening.tls.is_some() { CAPABILITY_TLS } else { 0 }).to_le_bytes().to_vec();
    head.extend(MAX_ANSWER.to_le_bytes());
    head.push(CHARSET);
    head.extend([0; 23]);
    match (opening.tls, &spec.address) {
        (Some(tls), ServerAddress::Host { host, .. }) => {
            if !greeting.speaks_tls {
                let address = &spec.address;
                let text = format!("{address} speaks no TLS: what is sent would go in the clear");
                return Err(QueryError::Unavailable(text));
            }
            write(&mut wire, number, &head)?;
            wire.secure(tls, host)?;
            number += 1;
        }
        _ => wire.stay_clear(),
    }
    let plugin = if greeting.plugin == CACHING { CACHING } else { NATIVE };
    let proof = proof(plugin, &greeting.salt, opening)?;
    let mut answer = head;
    answer.extend(spec.user.as_bytes());
    answer.push(0);
    answer.push(u8::try_from(proof.len()).unwrap_or_default());
    answer.extend(proof);
    answer.extend(spec.database.as_bytes());
    answer.push(0);
    answer.extend(plugin.as_bytes());
    answer.push(0);
    write(&mut wire, number, &answer)?;
    prove(&mut wire, opening)?;
    Ok((wire, greeting))
}

/// Answers until the server lets the user in.
fn prove(wire: &mut Wire, opening: &Opening<'_>) -> Result<(), QueryError> {
    for _ in 0..MAX_PACKETS {
        let (number, packet) = next(wire)?;
        let number = number.wrapping_add(1);
        let mut read = Read(&packet);
        match read.u8() {
            Some(OK) => return Ok(()),
            Some(ERROR) => return Err(not_let_in(&packet, opening)),
            Some(AUTH_SWITCH) => {
                let plugin = String::from_utf8_lossy(read.until_nul()).into_owned();
                let proof = proof(&plugin, read.until_nul(), opening)?;
                write(wire, number, &proof)?;
            }
            Some(AUTH_MORE) => match read.u8() {
                Some(FAST) => {}
                // Only here it does not pass anybody else: such a server takes it neither from elsewhere.
                Some(FULL) if wire.is_secure() || matches!(opening.spec.address, ServerAddress::Socket(_)) => {
                    let password = [opening.password()?.as_bytes(), &[0]].concat();
                    write(wire, number, &password)?;
                }
                Some(FULL) => {
                    let text = "the server asks for the password itself, which goes over TLS alone: set `tls = \"on\"`";
                    return Err(QueryError::Unavailable(text.to_owned()));
                }
                _ => return Err(QueryError::protocol("it asks for what is not known")),
            },
            _ => return Err(QueryError::protocol("it neither lets in nor refuses")),
        }
    }
    Err(QueryError::protocol("it never waits for a statement"))
}

impl Greeting {
    fn of(packet: &[u8]) -> Option<Self> {
        let mut read = Read(packet);
        if read.u8()? != 10 {
            return None;
        }
        let version = String::from_utf8_lossy(read.until_nul()).into_owned();
        let thread = read.u32()?;
        let mut salt = read.take(8)?.to_vec();
        read.take(1)?;
        let low = read.u16()?;
        read.take(3)?;
        let high = read.u16()?;
        let length = usize::from(read.u8()?);
        read.take(10)?;
        let rest = read.take(length.saturating_sub(8).max(13))?;
        salt.extend(rest.iter().take_while(|byte| **byte != 0));
        let plugin = String::from_utf8_lossy(read.until_nul()).into_owned();
        let capabilities = u32::from(high) << 16 | u32::from(low);
        Some(Self {
            thread,
            is_mariadb: version.contains("MariaDB"),
            salt,
            plugin,
            speaks_tls: capabilities & CAPABILITY_TLS != 0,
        })
    }
}

/// What proves that the password is known, in the way of a plugin.
fn proof(plugin: &str, salt: &[u8], opening: &Opening<'_>) -> Result<Vec<u8>, QueryError> {
    // Who has no password proves nothing.
    let Some(password) = opening.password else { return Ok(Vec::new()) };
    let password = password.reveal().as_bytes();
    match plugin {
        NATIVE => Ok(native(password, salt)),
        CACHING => Ok(caching(password, salt)),
        other => {
            Err(QueryError::unavailable(format_args!("the server asks for a proof by `{other}`, which is not known")))
        }
    }
}

fn native(password: &[u8], salt: &[u8]) -> Vec<u8> {
    let once = Sha1::digest(password);
    let salted = Sha1::new().chain_update(salt).chain_update(Sha1::digest(once)).finalize();
    once.iter().zip(salted).map(|(one, other)| one ^ other).collect()
}

fn caching(password: &[u8], salt: &[u8]) -> Vec<u8> {
    let once = Sha256::digest(password);
    let salted = Sha256::new().chain_update(Sha256::digest(Sha256::digest(password))).chain_update(salt).finalize();
    once.iter().zip(salted).map(|(one, other)| one ^ other).collect()
}

fn next(wire: &mut Wire) -> Result<(u8, Vec<u8>), QueryError> {
    let (number, packet) = read(wire, MAX_PACKET)?;
    Ok((number, packet.ok_or_else(|| QueryError::protocol("a packet is too long"))?))
}

fn not_let_in(packet: &[u8], opening: &Opening<'_>) -> QueryError {
    let why = match refusal(packet, opening.password) {
        QueryError::Invalid(text) | QueryError::Unavailable(text) => text,
        other => other.to_string(),
    };
    QueryError::unavailable(format_args!("the server does not let `{}` in: {why}", opening.spec.user))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_greeting_is_read_and_a_strange_one_is_none() {
        let mut greeting = vec![10];
        greeting.extend(b"5.5.5-10.11.19-MariaDB\0");
        greeting.extend(7_u32.to_le_bytes());
        greeting.extend(b"12345678\0");
        greeting.extend(0xfffe_u16.to_le_bytes());
        greeting.extend([45, 2, 0]);
        greeting.extend(0x81bf_u16.to_le_bytes());
        greeting.push(21);
        greeting.extend([0; 10]);
        greeting.extend(b"abcdefghijkl\0mysql_native_password\0");
        let read = Greeting::of(&greeting).unwrap();
        assert_eq!((read.thread, read.is_mariadb, read.speaks_tls), (7, true, true));
        assert_eq!((read.salt.as_slice(), read.plugin.as_str()), (&b"12345678abcdefghijkl"[..], NATIVE));
        for end in 0..greeting.len() - b"mysql_native_password\0".len() {
            assert!(Greeting::of(&greeting[..end]).is_none(), "{end}");
        }
        assert!(Greeting::of(b"HTTP/1.1 400 Bad Request").is_none());
    }

    #[test]
    fn proofs_are_those_of_the_protocol() {
        // Made with Python's `hashlib`, by the description of the protocol.
        let hex = |bytes: Vec<u8>| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let salt = b"12345678abcdefghijkl";
        assert_eq!(hex(native(b"secret-password", salt)), "47337548c34d6dc65d32df90daae034244ba2096");
        assert_eq!(
            hex(caching(b"secret-password", salt)),
            "e23c75cc7938e7b79c920f29e8bfe01864ea94ec323a96ac0c3b958f7854fa81"
        );
    }
}
