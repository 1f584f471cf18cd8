//! Speaks HTTP/1.1 to one server: one request, one answer, one connection, nothing followed.

use super::connection::Connecting;
use super::counted::{Counted, Counting};
use super::scrub::{Patterns, Scrubbed, ask_plainly, check_plain};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::{Body, Bytes, Frame, Incoming};
use hyper::header::HeaderMap;
use hyper::http::uri::PathAndQuery;
use palisade_authority::Method;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio::time::{Sleep, sleep, timeout};
use wasmtime_wasi::runtime::{AbortOnDropJoinHandle, spawn};
use wasmtime_wasi_http::io::TokioIo;
use wasmtime_wasi_http::p2::body::{HyperIncomingBody, HyperOutgoingBody};
use wasmtime_wasi_http::{Error, RequestOptions};

/// What is sent.
pub(super) struct Outgoing {
    pub(super) method: Method,
    pub(super) path: PathAndQuery,
    pub(super) headers: HeaderMap,
    pub(super) body: Option<HyperOutgoingBody>,
    pub(super) options: RequestOptions,
    /// What is taken out of the answer.
    pub(super) patterns: Option<Arc<Patterns>>,
}

/// How long each part of a request may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// Unless the guest says less.
    pub(super) each: Duration,
    /// The end of the attempt, which is above all of them.
    pub(super) deadline: Instant,
}

impl Patience {
    fn of(self, asked: Option<Duration>) -> Duration {
        let left = self.deadline.saturating_duration_since(Instant::now());
        asked.map_or(self.each, |asked| asked.min(self.each)).min(left)
    }
}

/// An answer, and the task that moves its bytes: when it is dropped, the connection is closed.
pub(super) type Answer = (hyper::Response<HyperIncomingBody>, AbortOnDropJoinHandle<()>);

/// Sends a request and waits for the head of its answer.
pub(super) async fn send(
    outgoing: Outgoing,
    to: Connecting,
    counting: Counting,
    patience: Patience,
) -> Result<Answer, Error> {
    let Outgoing { method, path, mut headers, body, options, patterns } = outgoing;
    if patterns.is_some() {
        ask_plainly(&mut headers);
    }
    let connected = timeout(patience.of(options.connect_timeout), to.connect()).await;
    let inner = connected.map_err(|_| Error::ConnectionTimeout)??;
    let stream = TokioIo::new(Counted::new(inner, counting, &to));
    let (mut sender, connection) = palisade_net::http1().handshake(stream).await?;
    let worker = spawn(async move { drop(connection.await) });
    let body = body.unwrap_or_else(|| Empty::<Bytes>::new().map_err(|never| match never {}).boxed_unsync());
    let mut request = hyper::Request::new(body);
    // Both were checked: the method is one of a few, the path one that a URL may have.
    *request.method_mut() = method.name().parse().map_err(|_| Error::HttpRequestMethodInvalid)?;
    *request.uri_mut() = path.into();
    *request.headers_mut() = headers;
    let answered = timeout(patience.of(options.first_byte_timeout), sender.send_request(request)).await;
    let response = answered.map_err(|_| Error::ConnectionReadTimeout)??;
    let between = patience.of(options.between_bytes_timeout);
    let response = response.map(|inner| Patient { inner, between, waiting: Box::pin(sleep(between)) });
    let Some(patterns) = patterns else { return Ok((response.map(|body| body.boxed_unsync()), worker)) };
    check_plain(response.headers())?;
    let (mut head, body) = response.into_parts();
    head.headers = patterns.headers(head.headers);
    Ok((hyper::Response::from_parts(head, Scrubbed::new(body, patterns).boxed_unsync()), worker))
}

/// The body of an answer, whose server may not be silent for ever.
struct Patient {
    inner: Incoming,
    between: Duration,
    waiting: Pin<Box<Sleep>>,
}

impl Body for Patient {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        match Pin::new(&mut self.inner).poll_frame(cx) {
            Poll::Ready(frame) => {
                let next = tokio::time::Instant::now() + self.between;
                self.waiting.as_mut().reset(next);
                Poll::Ready(frame.map(|frame| frame.map_err(Error::from)))
            }
            Poll::Pending => self.waiting.as_mut().poll(cx).map(|()| Some(Err(Error::ConnectionReadTimeout))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }
}
