//! Packets of MySQL, of which none is kept that is larger than a row may be.

use super::read::Read;
use crate::error::QueryError;
use crate::session::Failed;
use crate::wire::Wire;
use palisade_net::Key;

/// What the first byte of an answer says.
pub(super) const OK: u8 = 0x00;
pub(super) const ERROR: u8 = 0xff;
const END: u8 = 0xfe;
/// Bytes in front of what a packet holds: how long it is, and its number.
const HEAD: usize = 4;
/// A packet of this length goes on in the next.
const FULL: usize = 0xff_ff_ff;
/// Bytes that a packet may have beside a row's values.
const BESIDE: usize = 64 << 10;

/// Reads and writes packets.
#[derive(Debug)]
pub(super) struct Packets {
    pub(super) wire: Wire,
    max_row_bytes: usize,
    pub(super) password: Option<Key>,
    /// MariaDB, whose settings have other names than MySQL's.
    pub(super) is_mariadb: bool,
}

impl Packets {
    pub(super) const fn new(wire: Wire, max_row_bytes: usize, password: Option<Key>, is_mariadb: bool) -> Self {
        Self { wire, max_row_bytes, password, is_mariadb }
    }

    /// Sends a command.
    pub(super) fn send(&mut self, command: u8, payload: &[u8]) -> Result<(), Failed> {
        let whole = [&[command], payload].concat();
        if whole.len() >= FULL {
            return Err(Failed::Statement(QueryError::Invalid("the statement is too long".to_owned())));
        }
        Ok(write(&mut self.wire, 0, &whole)?)
    }

    /// Most bytes of a packet.
    pub(super) const fn most(&self) -> usize {
        self.max_row_bytes.saturating_add(BESIDE)
    }

    /// The next packet. One that is too large is passed over, and told.
    pub(super) fn next(&mut self) -> Result<Vec<u8>, Failed> {
        let most = self.most();
        let (_, packet) = read(&mut self.wire, most)?;
        packet.ok_or(Failed::Statement(QueryError::RowTooLarge { max: self.max_row_bytes }))
    }
}

pub(super) fn write(wire: &mut Wire, number: u8, payload: &[u8]) -> Result<(), QueryError> {
    let length = u32::try_from(payload.len()).unwrap_or(u32::MAX).to_le_bytes();
    let [a, b, c, _] = length;
    wire.send(&[&[a, b, c, number], payload].concat())
}

/// The next packet and its number; no packet if it has more than `most` bytes, which were passed over then.
pub(super) fn read(wire: &mut Wire, most: usize) -> Result<(u8, Option<Vec<u8>>), QueryError> {
    let mut whole = Some(Vec::new());
    loop {
        let head = wire.take(HEAD)?;
        let &[a, b, c, number] = &*head else {
            return Err(QueryError::protocol("what it sends is no packet of MySQL"));
        };
        let length = u32::from_le_bytes([a, b, c, 0]) as usize;
        let sum = whole.as_ref().map_or(usize::MAX, |whole| whole.len().saturating_add(length));
        if sum > most {
            whole = None;
            wire.skip(length)?;
        } else if let Some(whole) = &mut whole {
            whole.extend_from_slice(&wire.take(length)?);
        }
        if length < FULL {
            return Ok((number, whole));
        }
    }
}

/// The status in the packet that ends a list, if it is one.
pub(super) fn end(packet: &[u8]) -> Option<u16> {
    let mut read = Read(packet);
    let ends = packet.len() < 9 && read.u8() == Some(END);
    if !ends {
        return None;
    }
    read.u16()?;
    read.u16()
}

/// What the server says it can't or won't do.
pub(super) fn refusal(packet: &[u8], password: Option<&Key>) -> QueryError {
    let mut read = Read(packet.get(1..).unwrap_or_default());
    let code = read.u16().unwrap_or_default();
    let mut state = "";
    if let Some(rest) = read.0.strip_prefix(b"#") {
        read = Read(rest);
        state = read.take(5).and_then(|state| std::str::from_utf8(state).ok()).unwrap_or_default();
    }
    let text = String::from_utf8_lossy(read.0);
    let text = password.map_or_else(|| text.clone().into_owned(), |password| password.hide(&text));
    match (code, state.get(..2).unwrap_or_default()) {
        // Writing in a transaction that only reads, or what an option of the server keeps everybody from.
        (1792 | 1290, _) => QueryError::NotAllowed,
        (1317 | 1969 | 3024, _) => {
            QueryError::Unavailable("the server ended the statement: its time is over".to_owned())
        }
        // What is asked for is wrong, and stays so: data, names, types, features.
        (_, "0A" | "21" | "22" | "42") => QueryError::invalid(text),
        _ => QueryError::unavailable(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_ends_with_a_short_packet_alone() {
        assert_eq!(end(&[0xfe, 0, 0, 0x40, 0]), Some(0x40));
        assert_eq!(end(&[0xfe, 0, 0, 0x40, 0, 0, 0, 0, 0]), None);
        assert_eq!(end(&[0xfe, 0, 0]), None);
        assert_eq!(end(&[0]), None);
        assert_eq!(end(&[]), None);
    }

    #[test]
    fn refusals_are_told_apart_by_their_codes() {
        let refusal =
            |code: u16, text: &str| refusal(&[&[ERROR][..], &code.to_le_bytes(), text.as_bytes()].concat(), None);
        assert_eq!(refusal(1792, "#25006no"), QueryError::NotAllowed);
        assert_eq!(refusal(1290, "#HY000no"), QueryError::NotAllowed);
        assert_eq!(refusal(1146, "#42S02no table\u{1b}[1m"), QueryError::Invalid("no table\\u{1b}[1m".to_owned()));
        assert_eq!(refusal(1040, "Too many"), QueryError::Unavailable("Too many".to_owned()));
        assert!(matches!(refusal(1969, "#70100x"), QueryError::Unavailable(_)));
        assert!(matches!(super::refusal(&[ERROR], None), QueryError::Unavailable(_)));
    }
}
