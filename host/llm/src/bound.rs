//! How many tokens a request can have at most, before it is sent.

use crate::request::Request;

/// Most tokens that a chat template puts around one message: its role, and marks where it begins and ends.
const AROUND_A_MESSAGE: u64 = 16;
/// Most tokens that it puts around the whole: marks, the date, the frame in which a schema is shown.
const AROUND_THE_WHOLE: u64 = 512;

/// The most tokens that a request can have. A tokeniser of a model in use gives at most one token for each byte of UTF-8:
/// its smallest tokens are bytes. So the bytes of what is sent are a bound, about four times what English text comes to.
/// Should one exceed it all the same, the ledger says that more was billed than was reserved.
pub(crate) fn input_tokens(request: &Request, body_bytes: usize) -> u64 {
    let messages = request.messages.len() as u64;
    // The body has every message and the schema, and JSON never writes them with fewer bytes than they have.
    (body_bytes as u64).saturating_add(messages.saturating_mul(AROUND_A_MESSAGE)).saturating_add(AROUND_THE_WHOLE)
}
