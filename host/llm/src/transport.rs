//! What a provider is sent, and what it says of a failure.

use crate::provider::Outgoing;
use http_body_util::Full;
use hyper::Request;
use hyper::body::Bytes;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use palisade_net::Address;

/// Most bytes of an answer. The longest answers of models in use have some hundred KiB; without a bound a provider could
/// fill the host's memory.
pub(crate) const MAX_ANSWER_BYTES: usize = 2 << 20;

/// Writes the request; none if a part of it has not the form that HTTP asks for.
pub(crate) fn request(address: &Address, outgoing: &Outgoing<'_>) -> Option<Request<Full<Bytes>>> {
    let mut builder = address.post(outgoing.path).header(CONTENT_TYPE, "application/json");
    for (name, value) in outgoing.headers {
        builder = builder.header(*name, *value);
    }
    if let Some((name, before, key)) = outgoing.key {
        let mut value = HeaderValue::from_str(&format!("{before}{}", key.reveal())).ok()?;
        value.set_sensitive(true);
        builder = builder.header(if name == "authorization" { AUTHORIZATION } else { name.parse().ok()? }, value);
    }
    builder.body(Full::new(Bytes::copy_from_slice(outgoing.body))).ok()
}

/// What is said about a failure: the message of the forms in use, else the text as it is.
pub(crate) fn told(body: &[u8]) -> String {
    #[derive(serde::Deserialize)]
    #[serde(untagged)]
    enum Said {
        Nested { error: Message },
        Flat { error: String },
    }
    #[derive(serde::Deserialize)]
    struct Message {
        message: String,
    }
    match serde_json::from_slice(body) {
        Ok(Said::Nested { error: Message { message } }) => message,
        Ok(Said::Flat { error }) => error,
        Err(_) => String::from_utf8_lossy(body).into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_about_a_failure_is_found() {
        let check = |body: &str, expected| assert_eq!(told(body.as_bytes()), expected);
        check("{\"error\": {\"message\": \"too much\", \"type\": \"x\"}}", "too much");
        check("{\"error\": \"no such model\"}", "no such model");
        check("<html>", "<html>");
        check("", "");
    }
}
