//! The other side: whoever answers a request that is ready to be sent.

use crate::transport::{self, MAX_ANSWER_BYTES};
use palisade_model::neutral;
use palisade_model::unit::Bytes;
use palisade_net::{Address, ExchangeError, Key, Reply, Roots, Tls, exchange};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// How often a call that goes on looks whether it is to end.
const TICK: Duration = Duration::from_millis(20);
/// Most characters of what a provider says about a failure.
const MAX_MESSAGE_CHARS: usize = 300;

/// A request, ready to be sent.
#[derive(Debug, Clone, Copy)]
pub struct Outgoing<'a> {
    /// The model's base URL.
    pub base_url: &'a str,
    /// What stands behind it.
    pub path: &'a str,
    /// Headers, without that of the key.
    pub headers: &'a [(&'static str, &'static str)],
    /// The header of the key, what stands before the key in it, and the key.
    pub key: Option<(&'static str, &'static str, &'a Key)>,
    /// A JSON document.
    pub body: &'a [u8],
    /// When it must be over.
    pub until: Instant,
    /// Set from outside, it ends the call.
    pub cancelled: &'a AtomicBool,
}

/// Whoever answers.
pub trait Provider: Send + Sync {
    /// Sends a request and gives the bytes of the answer to it. Blocks; whatever happens, it has let go of the connection
    /// when it returns.
    ///
    /// # Errors
    /// When there is no such answer.
    fn exchange(&self, outgoing: &Outgoing<'_>) -> Result<Vec<u8>, ProviderError>;
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProviderError {
    /// Nothing was sent.
    #[error("it can't be reached: {0}")]
    Unreachable(String),
    /// It said that it would not answer.
    #[error("it answered with status {status}{}", if message.is_empty() { String::new() } else { format!(": {message}") })]
    Status {
        /// The status of HTTP.
        status: u16,
        /// After how long it wants to be asked again.
        retry_after: Option<Duration>,
        /// What it said, neutralised, without the key.
        message: String,
    },
    /// It took too long.
    #[error("it did not answer in time")]
    TimedOut,
    /// The connection broke before the answer was whole.
    #[error("the connection broke before the answer was whole: {0}")]
    CutOff(String),
    /// The answer is larger than any that is read.
    #[error("its answer has more than {}", Bytes(MAX_ANSWER_BYTES as u64))]
    TooLong,
    /// The answer can't be understood.
    #[error("its answer can't be understood: {0}")]
    Garbage(String),
    /// The run is being cancelled.
    #[error("the call was cancelled")]
    Cancelled,
}

impl ProviderError {
    /// It is certain that nobody pays for it: nothing was sent, or it was refused before a model saw it.
    pub(crate) fn is_free(&self) -> bool {
        match self {
            Self::Unreachable(_) => true,
            // Gateways between (502, 504) answer so while the model may be at work behind them.
            Self::Status { status, .. } => matches!(status, 300..=499 | 500 | 503 | 529),
            _ => false,
        }
    }

    /// Asking again may help.
    pub(crate) fn may_pass(&self) -> bool {
        match self {
            Self::Unreachable(_) | Self::CutOff(_) => true,
            Self::Status { status, .. } => matches!(status, 408 | 409 | 425 | 429 | 500..=599),
            _ => false,
        }
    }
}

/// Providers that are reached by HTTP/1.1, with TLS unless their URL says otherwise. Follows no redirect and uses no proxy: a
/// key goes where the operator's URL says, or nowhere.
pub struct HttpProvider {
    /// Taken when this goes: what still looks up a name must not be waited for.
    runtime: Option<tokio::runtime::Runtime>,
    tls: Tls,
}

impl HttpProvider {
    /// Starts the thread that reads and writes. It believes those authorities.
    ///
    /// # Errors
    /// When the system has no room for it.
    pub fn new(roots: &Roots) -> std::io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .max_blocking_threads(16)
            .thread_name("models")
            .enable_io()
            .build()?;
        Ok(Self { runtime: Some(runtime), tls: Tls::new(roots)? })
    }
}

impl Provider for HttpProvider {
    fn exchange(&self, outgoing: &Outgoing<'_>) -> Result<Vec<u8>, ProviderError> {
        let garbage = |what: &str| ProviderError::Unreachable(what.to_owned());
        let address = Address::of(outgoing.base_url).ok_or_else(|| garbage("its URL has a wrong form"))?;
        let request = transport::request(&address, outgoing).ok_or_else(|| garbage("its URL has a wrong form"))?;
        let Some(runtime) = &self.runtime else { return Err(garbage("this process ends")) };
        let (tell, told) = channel();
        let tls = self.tls.clone();
        let task = runtime.spawn(async move {
            // Who was told to stop does not listen any more.
            drop(tell.send(exchange(&address, tls, request, MAX_ANSWER_BYTES).await));
        });
        // A task that is aborted lets go of its connection, which the other side sees.
        let ended = |error| {
            task.abort();
            Err(error)
        };
        let reply = loop {
            let left = outgoing.until.saturating_duration_since(Instant::now());
            match told.recv_timeout(left.min(TICK)) {
                Ok(reply) => break reply,
                Err(RecvTimeoutError::Disconnected) => {
                    return ended(ProviderError::CutOff("its task ended".to_owned()));
                }
                Err(RecvTimeoutError::Timeout) if outgoing.cancelled.load(Ordering::Relaxed) => {
                    return ended(ProviderError::Cancelled);
                }
                Err(RecvTimeoutError::Timeout) if left.is_zero() => return ended(ProviderError::TimedOut),
                Err(RecvTimeoutError::Timeout) => {}
            }
        };
        let hide = |text: &str| outgoing.key.map_or_else(|| text.to_owned(), |(_, _, key)| key.hide(text));
        match reply {
            Ok(Reply { status: 200, body, .. }) => Ok(body),
            Ok(Reply { status, retry_after, body }) => {
                let message = neutral::line(&hide(&transport::told(&body)), MAX_MESSAGE_CHARS);
                Err(ProviderError::Status { status, retry_after, message })
            }
            Err(ExchangeError::Unreachable(why)) => {
                Err(ProviderError::Unreachable(neutral::line(&why, MAX_MESSAGE_CHARS)))
            }
            Err(ExchangeError::CutOff(why)) => Err(ProviderError::CutOff(neutral::line(&why, MAX_MESSAGE_CHARS))),
            Err(ExchangeError::TooLong) => Err(ProviderError::TooLong),
            Err(ExchangeError::TimedOut) => Err(ProviderError::TimedOut),
            Err(ExchangeError::Encoded) => {
                Err(ProviderError::Garbage("it is compressed, which was not asked for".to_owned()))
            }
        }
    }
}

impl Drop for HttpProvider {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl std::fmt::Debug for HttpProvider {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("HttpProvider")
    }
}
