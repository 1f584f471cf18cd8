//! How every client of Palisade speaks to a server: whom it believes who is there, by which keys it says who asks, and how
//! much head of an answer it takes.
//!
//! Opens no connection, looks up no name and decides nothing: that is for those who call it.

mod key;
mod secrets;

pub use key::{Key, KeyError};
pub use secrets::{SecretError, Secrets};

use hyper::client::conn::http1;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore, crypto::ring};
use std::io;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Most bytes of the first line and the headers of an answer, and of what is read ahead of its body.
const MAX_HEAD_BYTES: usize = 64 << 10;
/// Most headers of an answer.
const MAX_HEADERS: usize = 128;

/// TLS that believes the authorities that the web trusts, as Mozilla has them. Clones share the sessions that can be resumed.
#[derive(Debug, Clone)]
pub struct Tls(Arc<ClientConfig>);

impl Tls {
    /// With no session to resume.
    ///
    /// # Errors
    /// When the cryptography that was built in knows no version of TLS.
    pub fn new() -> io::Result<Self> {
        // Named, so that no other crate's features can change it.
        let provider = Arc::new(ring::default_provider());
        let roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        let versions = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let config = versions.map_err(io::Error::other)?.with_root_certificates(roots).with_no_client_auth();
        Ok(Self(Arc::new(config)))
    }

    /// Speaks TLS over a connection, with who can show a certificate for this name or address.
    ///
    /// # Errors
    /// When nobody there can, or the connection breaks.
    pub async fn connect(&self, host: &str, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let host = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
        TlsConnector::from(Arc::clone(&self.0)).connect(host, stream).await
    }
}

/// HTTP/1.1 that takes a bounded head of an answer.
#[must_use]
pub fn http1() -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder.max_buf_size(MAX_HEAD_BYTES).max_headers(MAX_HEADERS);
    builder
}
