//! Finds a server and connects to it: the name is looked up once, by the host, and the connection goes to an address that
//! was decided about.

use crate::ports::Network;
use palisade_authority::{Host, Origin};
use palisade_net::Tls;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use wasmtime_wasi_http::Error;
use wasmtime_wasi_http::p2::bindings::http::types::{DnsErrorPayload, ErrorCode};

/// Most addresses of one name that are looked at.
const MAX_ADDRESSES: usize = 16;
/// How long a name may take to be looked up.
const LOOKUP: Duration = Duration::from_secs(10);

/// Where a request goes: to one of the addresses that were decided about.
pub(super) struct Connecting {
    pub(super) origin: Origin,
    pub(super) addresses: Vec<SocketAddr>,
    /// None = in the clear.
    pub(super) tls: Option<Tls>,
    /// Kept as long as the connection is open.
    pub(super) alive: Arc<()>,
}

/// A connection in either direction.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// The addresses of an origin. Waits for the resolver on a thread of its own, which is left behind if it takes too long.
pub(super) fn find(
    network: &Arc<dyn Network>,
    origin: &Origin,
    deadline: Instant,
) -> Result<Vec<SocketAddr>, ErrorCode> {
    let with_port = |address: IpAddr| SocketAddr::new(address.to_canonical(), origin.port());
    let name = match origin.host() {
        Host::Address(address) => return Ok(vec![with_port(*address)]),
        // Of this name, nobody is asked.
        Host::Name(name) if name == Host::LOCAL => {
            let local = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
            return Ok(local.map(with_port).into());
        }
        Host::Name(name) => name.clone(),
    };
    let (tell, told) = mpsc::channel();
    let network = Arc::clone(network);
    // Not joined: a resolver can't be interrupted. What it says too late is not heard.
    let asking = std::thread::Builder::new().name("lookup".to_owned());
    let started = asking.spawn(move || drop(tell.send(network.lookup(&name))));
    let patience = deadline.saturating_duration_since(Instant::now()).min(LOOKUP);
    let found = started.ok().and_then(|_| told.recv_timeout(patience).ok()).ok_or(ErrorCode::DnsTimeout)?;
    let nothing = || ErrorCode::DnsError(DnsErrorPayload { rcode: None, info_code: None });
    let mut addresses: Vec<SocketAddr> = found.map_err(|_| nothing())?.into_iter().map(with_port).collect();
    addresses.truncate(MAX_ADDRESSES);
    if addresses.is_empty() { Err(nothing()) } else { Ok(addresses) }
}

/// Whether the origin itself names an address: as such, or as this machine.
pub(super) fn is_named(origin: &Origin, address: IpAddr) -> bool {
    match origin.host() {
        Host::Address(named) => named.to_canonical() == address.to_canonical(),
        Host::Name(name) => name == Host::LOCAL && address.is_loopback(),
    }
}

impl Connecting {
    /// Connects to the first address that answers.
    pub(super) async fn connect(&self) -> Result<Box<dyn Stream>, Error> {
        let mut last = Error::DestinationUnavailable;
        for address in &self.addresses {
            match TcpStream::connect(address).await {
                Ok(stream) => return self.secure(stream).await,
                Err(error) => last = Error::Connect(error),
            }
        }
        Err(last)
    }

    async fn secure(&self, stream: TcpStream) -> Result<Box<dyn Stream>, Error> {
        // Requests are small, and each waits for its answer.
        let _ = stream.set_nodelay(true);
        let Some(tls) = &self.tls else { return Ok(Box::new(stream)) };
        let host = match self.origin.host() {
            Host::Address(address) => address.to_string(),
            Host::Name(name) => name.clone(),
        };
        let secured = tls.connect(&host, stream).await;
        secured.map(|stream| Box::new(stream) as Box<dyn Stream>).map_err(|error| Error::Tls(io::Error::other(error)))
    }
}
