//! One exchange over HTTP/1.1 with a server that the operator named: a connection, a request, an answer that is bounded
//! whatever the other side sends. Follows no redirect and uses no proxy.

use crate::{Roots, Tls, http1};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_ENCODING, CONTENT_TYPE, HOST, HeaderValue, RETRY_AFTER};
use hyper::{Request, Response, Uri};
use hyper_util::rt::TokioIo;
use palisade_model::causes;
use std::time::Duration;
use tokio::net::TcpStream;

/// Most bytes of what is said about a failure.
const MAX_FAILURE_BYTES: usize = 16 << 10;

/// Where a server is, and what stands before every path there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    host: String,
    port: u16,
    tls: bool,
    /// What stands before every path.
    path: String,
    authority: String,
}

/// What came back.
#[derive(Debug)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// After how long the server wants to be asked again.
    pub retry_after: Option<Duration>,
    /// The body; of a failure, its beginning.
    pub body: Vec<u8>,
}

/// Why nothing did.
#[derive(Debug, thiserror::Error)]
pub enum ExchangeError {
    /// Nothing was sent.
    #[error("it can't be reached: {0}")]
    Unreachable(String),
    /// The connection ended before the answer did.
    #[error("the connection broke: {0}")]
    CutOff(String),
    /// The answer is longer than it may be.
    #[error("its answer is too long")]
    TooLong,
    /// The answer is compressed, which was not asked for.
    #[error("its answer is compressed, which was not asked for")]
    Encoded,
    /// It took too long.
    #[error("it took too long")]
    TimedOut,
}

impl Address {
    /// Reads a base URL; none if it is none.
    #[must_use]
    pub fn of(base_url: &str) -> Option<Self> {
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

    /// A request that sends something there; headers can be added.
    pub fn post(&self, path: &str) -> hyper::http::request::Builder {
        Request::post(format!("{}{path}", self.path)).header(HOST, &self.authority)
    }
}

/// Connects, sends, and reads what comes back, of which a body has at most so many bytes. Dropped on the way, it closes the
/// connection.
///
/// # Errors
/// When there is no whole answer.
pub async fn exchange(
    address: &Address,
    tls: Tls,
    request: Request<Full<Bytes>>,
    most: usize,
) -> Result<Reply, ExchangeError> {
    let unreachable = |error: std::io::Error| ExchangeError::Unreachable(error.to_string());
    let stream = TcpStream::connect((address.host.as_str(), address.port)).await.map_err(unreachable)?;
    if !address.tls {
        return over(TokioIo::new(stream), request, most).await;
    }
    let stream = tls.connect(&address.host, stream).await;
    let stream = stream.map_err(|error| ExchangeError::Unreachable(causes(&error)))?;
    over(TokioIo::new(stream), request, most).await
}

async fn over(
    io: impl hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
    request: Request<Full<Bytes>>,
    most: usize,
) -> Result<Reply, ExchangeError> {
    let cut = |error: hyper::Error| ExchangeError::CutOff(error.to_string());
    let (mut sender, connection) = http1().handshake(io).await.map_err(cut)?;
    let exchange = async {
        let response = sender.send_request(request).await.map_err(cut)?;
        read(response, most).await
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

async fn read(response: Response<Incoming>, most: usize) -> Result<Reply, ExchangeError> {
    let status = response.status().as_u16();
    let retry_after = retry_after(&response);
    let encoding = response.headers().get(CONTENT_ENCODING).map(HeaderValue::as_bytes);
    if encoding.is_some_and(|encoding| !encoding.eq_ignore_ascii_case(b"identity")) {
        return Err(ExchangeError::Encoded);
    }
    let mut incoming = response.into_body();
    let mut body = Vec::new();
    while let Some(frame) = incoming.frame().await {
        let frame = match frame {
            Ok(frame) => frame,
            // That it failed is known already; why, is told as far as it came.
            Err(_) if status != 200 => break,
            Err(error) => return Err(ExchangeError::CutOff(error.to_string())),
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
        if body.len() + data.len() > most {
            return Err(ExchangeError::TooLong);
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

/// Sends bytes and waits for what comes back, no longer than that. For who asks rarely: it starts what it needs.
///
/// # Errors
/// When there is no whole answer.
pub fn post(
    address: &Address,
    path: &str,
    body: Vec<u8>,
    roots: &Roots,
    patience: Duration,
    most: usize,
) -> Result<Reply, ExchangeError> {
    let unreachable = |error: &dyn std::error::Error| ExchangeError::Unreachable(causes(error));
    let request = address.post(path).header(CONTENT_TYPE, "text/plain; charset=utf-8").body(Full::new(body.into()));
    let request = request.map_err(|error| unreachable(&error))?;
    let tls = Tls::new(roots).map_err(|error| unreachable(&error))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| unreachable(&error))?;
    let answer =
        runtime.block_on(async { tokio::time::timeout(patience, exchange(address, tls, request, most)).await });
    // What still looks up a name is not waited for.
    runtime.shutdown_background();
    answer.unwrap_or(Err(ExchangeError::TimedOut))
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
}
