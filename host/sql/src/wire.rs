//! The way to a server: a socket, TLS over it, and nothing that waits longer than it may.

use crate::error::QueryError;
use crate::until::Until;
use bytes::{Buf as _, BytesMut};
use palisade_model::sql::ServerAddress;
use palisade_net::Tls;
use rustls::{ClientConnection, StreamOwned};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

/// How often a wait looks whether to go on.
const LOOK: Duration = Duration::from_millis(50);
/// How long a name or a connection is waited for.
const CONNECT: Duration = Duration::from_secs(10);
/// Bytes that are read at once.
const CHUNK: usize = 16 << 10;

/// A connection to a server.
#[derive(Debug)]
pub(crate) struct Wire {
    stream: Stream,
    read: BytesMut,
    /// Whether more may be read than is asked for. Not before it is settled whether TLS begins: what came before was not
    /// protected by it.
    ahead: bool,
}

#[derive(Debug)]
enum Stream {
    Clear(Socket),
    Tls(Box<StreamOwned<ClientConnection, Socket>>),
    /// While TLS begins, and if it did not.
    Gone,
}

/// A socket whose reads and writes end when it is time.
#[derive(Debug)]
struct Socket {
    inner: Inner,
    until: Until,
}

#[derive(Debug)]
enum Inner {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Wire {
    /// Connects. `folder` is what paths of sockets are relative to.
    ///
    /// # Errors
    /// When nobody listens there, or not in time.
    pub(crate) fn connect(address: &ServerAddress, folder: &Path, until: &Until) -> Result<Self, QueryError> {
        let failed = |error: io::Error| QueryError::unavailable(format_args!("{address} can't be reached: {error}"));
        let inner = match address {
            ServerAddress::Socket(path) => UnixStream::connect(folder.join(path)).map(Inner::Unix).map_err(failed)?,
            ServerAddress::Host { host, port } => Inner::Tcp(tcp(host, *port, until).map_err(failed)?),
        };
        inner.look_often().map_err(failed)?;
        let socket = Socket { inner, until: until.clone() };
        Ok(Self { stream: Stream::Clear(socket), read: BytesMut::new(), ahead: false })
    }

    /// Goes on under TLS with who can show a certificate for `host`.
    ///
    /// # Errors
    /// When nobody there can.
    pub(crate) fn secure(&mut self, tls: &Tls, host: &str) -> Result<(), QueryError> {
        let failed = |error: io::Error| QueryError::unavailable(format_args!("TLS with `{host}` failed: {error}"));
        let Stream::Clear(mut socket) = std::mem::replace(&mut self.stream, Stream::Gone) else {
            return Err(QueryError::protocol("TLS has begun already"));
        };
        let mut client = tls.begin(host).map_err(failed)?;
        while client.is_handshaking() {
            client.complete_io(&mut socket).map_err(failed)?;
        }
        self.stream = Stream::Tls(Box::new(StreamOwned::new(client, socket)));
        self.ahead = true;
        Ok(())
    }

    /// Goes on in the clear.
    pub(crate) fn stay_clear(&mut self) {
        self.ahead = true;
    }

    /// Waits until another time than before.
    pub(crate) fn wait_until(&mut self, until: &Until) {
        match &mut self.stream {
            Stream::Clear(socket) => socket.until = until.clone(),
            Stream::Tls(stream) => stream.sock.until = until.clone(),
            Stream::Gone => {}
        }
    }

    /// Whether what is sent can be read by nobody between here and there.
    pub(crate) fn is_secure(&self) -> bool {
        matches!(self.stream, Stream::Tls(_))
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) -> Result<(), QueryError> {
        self.stream.write_all(bytes).and_then(|()| self.stream.flush()).map_err(|error| broken(&error))
    }

    /// The next `count` bytes, which the caller has found to be few enough.
    pub(crate) fn take(&mut self, count: usize) -> Result<BytesMut, QueryError> {
        self.fill(count)?;
        Ok(self.read.split_to(count))
    }

    /// The next `count` bytes, which stay where they are.
    pub(crate) fn peek(&mut self, count: usize) -> Result<&[u8], QueryError> {
        self.fill(count)?;
        Ok(self.read.get(..count).unwrap_or_default())
    }

    /// Passes over `count` bytes, without keeping them.
    pub(crate) fn skip(&mut self, mut count: usize) -> Result<(), QueryError> {
        while count > 0 {
            self.fill(1)?;
            let some = count.min(self.read.len());
            self.read.advance(some);
            count -= some;
        }
        Ok(())
    }

    fn fill(&mut self, count: usize) -> Result<(), QueryError> {
        let mut chunk = [0; CHUNK];
        while self.read.len() < count {
            let most = if self.ahead { CHUNK } else { (count - self.read.len()).min(CHUNK) };
            let into = chunk.get_mut(..most).unwrap_or_default();
            match self.stream.read(into).map_err(|error| broken(&error))? {
                0 => return Err(QueryError::Unavailable("the server closed the connection".to_owned())),
                read => self.read.extend_from_slice(into.get(..read).unwrap_or_default()),
            }
        }
        Ok(())
    }
}

fn broken(error: &io::Error) -> QueryError {
    match error.kind() {
        io::ErrorKind::TimedOut => QueryError::Unavailable("the server did not answer in time".to_owned()),
        io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => {
            QueryError::Unavailable("the server closed the connection".to_owned())
        }
        _ => QueryError::unavailable(format_args!("the connection broke: {error}")),
    }
}

/// Tries the addresses of a host in their order.
fn tcp(host: &str, port: u16, until: &Until) -> io::Result<TcpStream> {
    let mut failed = io::Error::from(io::ErrorKind::TimedOut);
    for address in lookup(host, port, until)? {
        match TcpStream::connect_timeout(&address, until.left(CONNECT).max(Duration::from_millis(1))) {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                return Ok(stream);
            }
            Err(error) => failed = error,
        }
        if until.is_over() {
            break;
        }
    }
    Err(failed)
}

/// The addresses of a host. Looking one up can't be ended, so a thread does it that may be left behind.
fn lookup(host: &str, port: u16, until: &Until) -> io::Result<Vec<SocketAddr>> {
    if let Ok(address) = host.parse() {
        return Ok(vec![SocketAddr::new(address, port)]);
    }
    let (found, addresses) = sync_channel(1);
    let host = host.to_owned();
    std::thread::Builder::new().name("palisade-lookup".to_owned()).spawn(move || {
        // Nobody may be waiting any more.
        let _ = found.send((host.as_str(), port).to_socket_addrs().map(Iterator::collect));
    })?;
    addresses.recv_timeout(until.left(CONNECT)).map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
}

impl Inner {
    fn look_often(&self) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.set_read_timeout(Some(LOOK)).and(stream.set_write_timeout(Some(LOOK))),
            Self::Unix(stream) => stream.set_read_timeout(Some(LOOK)).and(stream.set_write_timeout(Some(LOOK))),
        }
    }
}

impl Socket {
    /// Does something that looks up again and again, until it is done or it is time.
    fn patiently(&mut self, mut once: impl FnMut(&mut Inner) -> io::Result<usize>) -> io::Result<usize> {
        loop {
            if self.until.is_over() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            match once(&mut self.inner) {
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                done => return done,
            }
        }
    }
}

impl Read for Socket {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.patiently(|inner| match inner {
            Inner::Tcp(stream) => stream.read(into),
            Inner::Unix(stream) => stream.read(into),
        })
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.patiently(|inner| match inner {
            Inner::Tcp(stream) => stream.write(bytes),
            Inner::Unix(stream) => stream.write(bytes),
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Read for Stream {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Clear(socket) => socket.read(into),
            Self::Tls(stream) => stream.read(into),
            Self::Gone => Err(io::ErrorKind::NotConnected.into()),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Clear(socket) => socket.write(bytes),
            Self::Tls(stream) => stream.write(bytes),
            Self::Gone => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Clear(socket) => socket.flush(),
            Self::Tls(stream) => stream.flush(),
            Self::Gone => Ok(()),
        }
    }
}
