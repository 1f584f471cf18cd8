//! How every client of Palisade speaks to a server: whom it believes who is there, by which keys it says who asks, and how
//! much head of an answer it takes.
//!
//! Decides nothing: where a connection may lead is for those who call it. Connectors open their own, to addresses that were
//! decided about; the exchange here is for servers that the operator named.

mod exchange;
mod key;
mod roots;
mod secrets;

pub use exchange::{Address, ExchangeError, Reply, exchange, post};
pub use key::{Key, KeyError};
pub use roots::{Roots, RootsError};
pub use secrets::{SecretError, Secrets};

use hyper::client::conn::http1;
use rustls::pki_types::ServerName;
use rustls::{CertificateError, ClientConfig, ClientConnection, crypto::ring};
use std::io;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Most bytes of the first line and the headers of an answer, and of what is read ahead of its body.
const MAX_HEAD_BYTES: usize = 64 << 10;
/// Most headers of an answer.
const MAX_HEADERS: usize = 128;

/// TLS that believes whom it is told to believe. Clones share the sessions that can be resumed.
#[derive(Debug, Clone)]
pub struct Tls(Arc<ClientConfig>);

/// Why there is no secure connection. Nothing was sent over it.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// Who answers can't show to be who was asked for.
    #[error("the certificate of `{host}` is refused: {why}")]
    Certificate {
        /// Who was asked for.
        host: String,
        /// What is wrong with it.
        why: String,
    },
    /// The connection broke, or no TLS is spoken there.
    #[error("no TLS can be spoken with `{host}`")]
    Broken {
        /// Who was asked for.
        host: String,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl Tls {
    /// With no session to resume.
    ///
    /// # Errors
    /// When the cryptography that was built in knows no version of TLS.
    pub fn new(roots: &Roots) -> io::Result<Self> {
        // Named, so that no other crate's features can change it.
        let provider = Arc::new(ring::default_provider());
        let versions = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let config = versions.map_err(io::Error::other)?.with_root_certificates(Arc::clone(&roots.0));
        Ok(Self(Arc::new(config.with_no_client_auth())))
    }

    /// Begins TLS with who can show a certificate for this name or address; the caller moves the bytes.
    ///
    /// # Errors
    /// When it is neither a name nor an address.
    pub fn begin(&self, host: &str) -> io::Result<ClientConnection> {
        let host = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
        ClientConnection::new(Arc::clone(&self.0), host).map_err(io::Error::other)
    }

    /// Speaks TLS over a connection, with who can show a certificate for this name or address.
    ///
    /// # Errors
    /// When nobody there can, or the connection breaks.
    pub async fn connect(&self, host: &str, stream: TcpStream) -> Result<TlsStream<TcpStream>, TlsError> {
        let broken = |source| TlsError::Broken { host: host.to_owned(), source };
        let name = ServerName::try_from(host.to_owned()).map_err(|error| broken(io::Error::other(error)))?;
        TlsConnector::from(Arc::clone(&self.0)).connect(name, stream).await.map_err(|error| {
            let cause = error.get_ref().and_then(|cause| cause.downcast_ref());
            match cause {
                Some(rustls::Error::InvalidCertificate(wrong)) => {
                    TlsError::Certificate { host: host.to_owned(), why: words(wrong) }
                }
                _ => broken(error),
            }
        })
    }
}

/// What is wrong with a certificate, for people.
fn words(wrong: &CertificateError) -> String {
    use CertificateError as Wrong;
    match wrong {
        Wrong::Expired | Wrong::ExpiredContext { .. } => "it has expired".to_owned(),
        Wrong::NotValidYet | Wrong::NotValidYetContext { .. } => "it is not valid yet".to_owned(),
        Wrong::NotValidForName | Wrong::NotValidForNameContext { .. } => "it is for another name".to_owned(),
        Wrong::UnknownIssuer => {
            "nobody who is trusted issued it (`[http] roots` in palisade.toml names further authorities)".to_owned()
        }
        other => other.to_string(),
    }
}

/// HTTP/1.1 that takes a bounded head of an answer.
#[must_use]
pub fn http1() -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder.max_buf_size(MAX_HEAD_BYTES).max_headers(MAX_HEADERS);
    builder
}
