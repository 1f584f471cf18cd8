//! A web server on this machine that speaks TLS, for one test, and who issues its certificate.

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, Stream, crypto::ring};
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// Who may issue certificates, if somebody believes them.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate, and the key that goes with it.
pub struct Shown {
    certificate: rcgen::Certificate,
    key: KeyPair,
}

impl Authority {
    /// Makes one.
    ///
    /// # Panics
    /// When there is no randomness.
    #[must_use]
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("an authority"))
    }

    /// Its certificate, as a file has it.
    #[must_use]
    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// Issues a certificate for a name, which is valid from the beginning of one year to that of another.
    ///
    /// # Panics
    /// When the name is none.
    #[must_use]
    pub fn issue(&self, name: &str, years: (i32, i32)) -> Shown {
        let (params, key) = for_name(name, years);
        Shown { certificate: params.signed_by(&key, &self.0).expect("a certificate"), key }
    }
}

impl Shown {
    /// A certificate for a name that nobody else issued.
    ///
    /// # Panics
    /// When the name is none.
    #[must_use]
    pub fn of_its_own(name: &str) -> Self {
        let (params, key) = for_name(name, VALID);
        Self { certificate: params.self_signed(&key).expect("a certificate"), key }
    }
}

/// From before any test ran to behind the last one.
pub const VALID: (i32, i32) = (2020, 2120);

fn for_name(name: &str, (from, to): (i32, i32)) -> (CertificateParams, KeyPair) {
    let mut params = CertificateParams::new([name.to_owned()]).expect("a name");
    (params.not_before, params.not_after) = (date_time_ymd(from, 1, 1), date_time_ymd(to, 1, 1));
    (params, KeyPair::generate().expect("a key"))
}

/// A server; its threads end with the process.
#[derive(Debug)]
pub struct TlsServer {
    port: u16,
    seen: Arc<Mutex<Vec<String>>>,
}

impl TlsServer {
    /// Starts one that answers `hello` to whoever takes its certificate.
    ///
    /// # Panics
    /// When there is no port.
    #[must_use]
    pub fn start(shown: Shown) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let seen = Arc::<Mutex<Vec<String>>>::default();
        let keep = Arc::clone(&seen);
        let key = PrivateKeyDer::try_from(shown.key.serialize_der()).expect("a key");
        let versions = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions of TLS");
        let config = versions.with_no_client_auth().with_single_cert(vec![shown.certificate.der().clone()], key);
        let config = Arc::new(config.expect("a certificate"));
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (config, keep) = (Arc::clone(&config), Arc::clone(&keep));
                thread::spawn(move || drop(serve(stream, config, &keep)));
            }
        });
        Self { port, seen }
    }

    /// Its port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What it was sent, as far as it could read it.
    #[must_use]
    pub fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn serve(mut stream: TcpStream, config: Arc<ServerConfig>, seen: &Mutex<Vec<String>>) -> std::io::Result<()> {
    let mut connection = ServerConnection::new(config).map_err(std::io::Error::other)?;
    let mut tls = Stream::new(&mut connection, &mut stream);
    let mut piece = [0; 4_096];
    let read = tls.read(&mut piece)?;
    let text = String::from_utf8_lossy(piece.get(..read).unwrap_or_default()).into_owned();
    seen.lock().unwrap_or_else(PoisonError::into_inner).push(text);
    tls.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello")?;
    tls.conn.send_close_notify();
    tls.flush()
}
