//! Messages of PostgreSQL, of which none is kept that is larger than a row may be.

use crate::error::QueryError;
use crate::session::Failed;
use crate::wire::Wire;
use fallible_iterator::FallibleIterator as _;
use palisade_net::Key;
use postgres_protocol::message::backend::{ErrorResponseBody, Message};

/// Bytes in front of what a message holds: what it is, and how long.
const HEAD: usize = 5;
/// Bytes that a message may have beside a row's values: it is text, in which bytes take two characters each.
const BESIDE: usize = 64 << 10;
/// What a message is that holds a row.
const DATA_ROW: u8 = b'D';

/// Reads messages.
#[derive(Debug)]
pub(super) struct Reader {
    pub(super) wire: Wire,
    max_row_bytes: usize,
    pub(super) password: Option<Key>,
}

impl Reader {
    pub(super) const fn new(wire: Wire, max_row_bytes: usize, password: Option<Key>) -> Self {
        Self { wire, max_row_bytes, password }
    }

    /// The next message. A row that is too large is passed over, and told.
    pub(super) fn next(&mut self) -> Result<Message, Failed> {
        let most = self.max_row_bytes.saturating_mul(2).saturating_add(BESIDE);
        match read(&mut self.wire, most)? {
            Ok(message) => Ok(message),
            Err((DATA_ROW, length)) => {
                self.wire.skip(length)?;
                Err(Failed::Statement(QueryError::RowTooLarge { max: self.max_row_bytes }))
            }
            Err(_) => Err(Failed::Session(QueryError::protocol("a message is too long"))),
        }
    }
}

/// The next message; or what one is that has more than `most` bytes, and how many, of which none is read yet.
pub(super) fn read(wire: &mut Wire, most: usize) -> Result<Result<Message, (u8, usize)>, QueryError> {
    let strange = || QueryError::protocol("what it sends is no message of PostgreSQL");
    let head = wire.peek(HEAD)?;
    let &[kind, a, b, c, d] = head else { return Err(strange()) };
    // The length counts itself, and not what the message is.
    let length = usize::try_from(i32::from_be_bytes([a, b, c, d])).ok().filter(|length| *length >= 4);
    let length = length.ok_or_else(strange)? + 1;
    if length > most {
        return Ok(Err((kind, length)));
    }
    let mut whole = wire.take(length)?;
    Message::parse(&mut whole).ok().flatten().map(Ok).ok_or_else(strange)
}

/// What the server says it can't or won't do.
pub(super) fn refusal(body: &ErrorResponseBody, password: Option<&Key>) -> QueryError {
    let (mut code, mut text) = (String::new(), String::new());
    let mut fields = body.fields();
    while let Ok(Some(field)) = fields.next() {
        match field.type_() {
            b'C' => code = String::from_utf8_lossy(field.value_bytes()).into_owned(),
            b'M' => text = String::from_utf8_lossy(field.value_bytes()).into_owned(),
            _ => {}
        }
    }
    let text = password.map_or_else(|| text.clone(), |password| password.hide(&text));
    match (code.as_str(), code.get(..2).unwrap_or_default()) {
        // Writing in a transaction that only reads.
        ("25006", _) => QueryError::NotAllowed,
        ("57014", _) => QueryError::Unavailable("the server ended the statement: its time is over".to_owned()),
        // What is asked for is wrong, and stays so: data, names, types, features.
        (_, "0A" | "21" | "22" | "42") => QueryError::invalid(text),
        _ => QueryError::unavailable(text),
    }
}
