//! One exchange over HTTP/1.1: a connection, a request, an answer that is bounded whatever the other side sends.

use crate::provider::Outgoing;
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HOST, HeaderValue, RETRY_AFTER};
use hyper::{Request, Response, Uri};
use hyper_util::rt::TokioIo;
use palisade_net::Tls;
use std::time::Duration;
use tokio::net::TcpStream;

/// Most bytes of an answer. The longest answers of models in use have some hundred KiB; without a bound a provider could
/// fill the host's memory.
pub(crate) const MAX_ANSWER_BYTES: usize = 2 << 20;
/// Most bytes of what is said about a failure.
const MAX_FAILURE_BYTES: usize = 16 << 10;

/// Where a provider is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Address {
    host: String,
    port: u16,
    tls: bool,
    /// What stands before every path.
    path: String,
    authority: String,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) body: Vec<u8>,
}

/// Why nothing did.
#[derive(Debug)]
pub(crate) enum TransportError {
    /// Before anything was sent.
    Unreachable(String),
    CutOff(String),
    TooLong,
    Encoded,
}

impl Address {
    /// Reads a base URL; none if it is none.
    pub(crate) fn of(base_url: &str) -> Option<Self> {
        let uri: Uri = base_url.parse().ok()?;
        let tls = match uri.scheme_str()? {
            "https" => true,
            "http" => false,
            _ => return None,
        };
        let authority = uri.authority().filter(|authority| !authority.as_str().contains('@'))?;
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = authority.port_u16().unwrap_or(if tls { 443 } else { 80 });
        let path = uri.path().trim_end_matches('/').to_owned();
        uri.query().is_none().then(|| Self { host, port, tls, path, authority: authority.to_string() })
    }
}

/// Writes the request; none if a part of it has not the form that HTTP asks for.
pub(crate) fn request(address: &Address, outgoing: &Outgoing<'_>) -> Option<Request<Full<Bytes>>> {
    let mut builder = Request::post(format!("{}{}", address.path, outgoing.path))
        .header(HOST, &address.authority)
        .header(CONTENT_TYPE, "application/json");
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

/// Connects, sends, and reads what comes back. Dropped on the way, it closes the connection.
pub(crate) async fn exchange(
    address: &Address,
    tls: Tls,
    request: Request<Full<Bytes>>,
) -> Result<Reply, TransportError> {
    let unreachable = |error: std::io::Error| TransportError::Unreachable(error.to_string());
    let stream = TcpStream::connect((address.host.as_str(), address.port)).await.map_err(unreachable)?;
    if !address.tls {
        return over(TokioIo::new(stream), request).await;
    }
    let stream = tls.connect(&address.host, stream).await.map_err(unreachable)?;
    over(TokioIo::new(stream), request).await
}

async fn over(
    io: impl hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
    request: Request<Full<Bytes>>,
) -> Result<Reply, TransportError> {
    let cut = |error: hyper::Error| TransportError::CutOff(error.to_string());
    let (mut sender, connection) = palisade_net::http1().handshake(io).await.map_err(cut)?;
    let exchange = async {
        let response = sender.send_request(request).await.map_err(cut)?;
        read(response).await
    };
    // The connection moves only while it is polled; when the answer is there it is dropped, and so closed.
    let mut exchange = std::pin::pin!(exchange);
    tokio::select! {
        reply = &mut exchange => reply,
        ended = connection => match ended {
            // What was read before the end may still be the whole answer.
            Ok(()) => exchange.await,
            Err(error) => Err(cut(error)),
        },
    }
}

async fn read(response: Response<Incoming>) -> Result<Reply, TransportError> {
    let status = response.status().as_u16();
    let retry_after = retry_after(&response);
    let encoding = response.headers().get(CONTENT_ENCODING).map(HeaderValue::as_bytes);
    if encoding.is_some_and(|encoding| !encoding.eq_ignore_ascii_case(b"identity")) {
        return Err(TransportError::Encoded);
    }
    let mut incoming = response.into_body();
    let mut body = Vec::new();
    while let Some(frame) = incoming.frame().await {
        let frame = match frame {
            Ok(frame) => frame,
            // That it failed is known already; why, is told as far as it came.
            Err(_) if status != 200 => break,
            Err(error) => return Err(TransportError::CutOff(error.to_string())),
        };
        let Ok(data) = frame.into_data() else { continue };
        if status != 200 {
            let room = MAX_FAILURE_BYTES.saturating_sub(body.len()).min(data.len());
            body.extend_from_slice(&data[..room]);
            if room < data.len() {
                break;
            }
            continue;
        }
        if body.len() + data.len() > MAX_ANSWER_BYTES {
            return Err(TransportError::TooLong);
        }
        body.extend_from_slice(&data);
    }
    Ok(Reply { status, retry_after, body })
}

/// Seconds. A date would need the other side's clock, and counts as nothing said.
fn retry_after(response: &Response<Incoming>) -> Option<Duration> {
    let value = response.headers().get(RETRY_AFTER)?.to_str().ok()?;
    value.trim().parse().ok().map(Duration::from_secs)
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
    fn a_base_url_says_where_and_how() {
        let check = |url, expected: Option<(&str, u16, bool, &str)>| {
            let address = Address::of(url);
            let found = address.as_ref().map(|a| (a.host.as_str(), a.port, a.tls, a.path.as_str()));
            assert_eq!(found, expected, "{url}");
        };
        check("https://api.openai.com/v1", Some(("api.openai.com", 443, true, "/v1")));
        check("http://localhost:11434/api/", Some(("localhost", 11434, false, "/api")));
        check("http://[::1]:8080", Some(("::1", 8080, false, "")));
        check("https://user:pass@host/", None);
        check("https://host/?a=b", None);
        check("ftp://host/", None);
        check("host", None);
        check("", None);
    }

    #[test]
    fn what_is_said_about_a_failure_is_found() {
        let check = |body: &str, expected| assert_eq!(told(body.as_bytes()), expected);
        check("{\"error\": {\"message\": \"too much\", \"type\": \"x\"}}", "too much");
        check("{\"error\": \"no such model\"}", "no such model");
        check("<html>", "<html>");
        check("", "");
    }
}
