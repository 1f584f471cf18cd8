//! How a session with PostgreSQL begins: who asks, and by which password.

use super::message::{read, refusal};
use crate::error::QueryError;
use crate::session::Opening;
use crate::wire::Wire;
use bytes::BytesMut;
use fallible_iterator::FallibleIterator as _;
use postgres_protocol::authentication::md5_hash;
use postgres_protocol::authentication::sasl::{ChannelBinding, SCRAM_SHA_256, ScramSha256};
use postgres_protocol::message::backend::Message;
use postgres_protocol::message::frontend;

/// Most bytes of a message while nobody is let in.
const MAX_MESSAGE: usize = 64 << 10;
/// Most messages of a server before it waits for statements.
const MAX_MESSAGES: usize = 1_000;

/// Says who asks and proves it; gives the session's process and secret, by which its statements can be ended.
pub(super) fn login(wire: &mut Wire, opening: &Opening<'_>) -> Result<(i32, i32), QueryError> {
    let spec = opening.spec;
    send(wire, |buffer| {
        let parameters = [
            ("user", spec.user.as_str()),
            ("database", spec.database.as_str()),
            ("client_encoding", "UTF8"),
            ("application_name", "palisade"),
        ];
        frontend::startup_message(parameters, buffer)
    })?;
    let mut scram = None;
    let mut known = (0, 0);
    for _ in 0..MAX_MESSAGES {
        let message = read(wire, MAX_MESSAGE)?.map_err(|_| QueryError::protocol("a message is too long"))?;
        match message {
            Message::AuthenticationCleartextPassword => {
                if !wire.is_secure() && !spec.address.is_here() {
                    return Err(QueryError::Unavailable("the server asks for the password in the clear".to_owned()));
                }
                let password = opening.password()?;
                send(wire, |buffer| frontend::password_message(password.as_bytes(), buffer))?;
            }
            Message::AuthenticationMd5Password(body) => {
                let hash = md5_hash(spec.user.as_bytes(), opening.password()?.as_bytes(), body.salt());
                send(wire, |buffer| frontend::password_message(hash.as_bytes(), buffer))?;
            }
            Message::AuthenticationSasl(body) => {
                let offered = body.mechanisms().any(|mechanism| Ok(mechanism == SCRAM_SHA_256)).unwrap_or(false);
                if !offered {
                    return Err(QueryError::Unavailable(format!("the server does not offer {SCRAM_SHA_256}")));
                }
                let exchange = ScramSha256::new(opening.password()?.as_bytes(), ChannelBinding::unsupported());
                send(wire, |buffer| frontend::sasl_initial_response(SCRAM_SHA_256, exchange.message(), buffer))?;
                scram = Some(exchange);
            }
            Message::AuthenticationSaslContinue(body) => {
                let exchange = scram.as_mut().ok_or_else(|| QueryError::protocol("it answers what nobody asked"))?;
                exchange.update(body.data()).map_err(unproved)?;
                send(wire, |buffer| frontend::sasl_response(exchange.message(), buffer))?;
            }
            Message::AuthenticationSaslFinal(body) => {
                let exchange = scram.as_mut().ok_or_else(|| QueryError::protocol("it answers what nobody asked"))?;
                exchange.finish(body.data()).map_err(unproved)?;
            }
            Message::BackendKeyData(body) => known = (body.process_id(), body.secret_key()),
            Message::ReadyForQuery(_) => return Ok(known),
            Message::ErrorResponse(body) => {
                let why = match refusal(&body, opening.password) {
                    QueryError::Invalid(text) | QueryError::Unavailable(text) => text,
                    other => other.to_string(),
                };
                return Err(QueryError::unavailable(format_args!("the server does not let `{}` in: {why}", spec.user)));
            }
            Message::AuthenticationOk
            | Message::ParameterStatus(_)
            | Message::NoticeResponse(_)
            | Message::NotificationResponse(_) => {}
            _ => {
                return Err(QueryError::Unavailable(
                    "the server asks for a kind of proof that is not known".to_owned(),
                ));
            }
        }
    }
    Err(QueryError::protocol("it never waits for a statement"))
}

fn send(wire: &mut Wire, write: impl FnOnce(&mut BytesMut) -> std::io::Result<()>) -> Result<(), QueryError> {
    let mut buffer = BytesMut::new();
    write(&mut buffer).map_err(QueryError::unavailable)?;
    wire.send(&buffer)
}

fn unproved(error: std::io::Error) -> QueryError {
    QueryError::unavailable(format_args!("the server does not know the password: {error}"))
}
