//! A language model that does what a test tells it to: really a server, that speaks OpenAI's chat completions over HTTP.

use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How long the server waits for who does not close: longer than any test waits for it.
const PATIENCE: Duration = Duration::from_secs(60);

/// A request that came.
#[derive(Debug, Clone)]
pub struct Seen {
    /// Its number, from 0.
    pub number: u64,
    /// Method and path.
    pub line: String,
    /// The headers, with names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Value,
}

/// What the server does about a request.
#[derive(Debug, Clone)]
pub enum Reply {
    /// Says this, and how many tokens it read and wrote; none = nothing of that.
    Say(String, Option<(i64, i64)>),
    /// Says this once as many requests are there as it is given.
    Together(usize, String),
    /// Gives a status, headers, and a body.
    Status(u16, Vec<(&'static str, String)>, String),
    /// Says nothing until the other side closes.
    Nothing,
    /// Ends in the middle of the answer.
    CutOff,
    /// Goes on for ever.
    Endless,
    /// Writes these bytes instead of HTTP.
    Raw(Vec<u8>),
}

type Script = dyn Fn(&Seen) -> Reply + Send + Sync;

/// The server. It ends when this is dropped.
pub struct ModelServer {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    script: Box<Script>,
    seen: Mutex<Vec<Seen>>,
    closed: AtomicU64,
    sent: AtomicU64,
    inside: AtomicU64,
    ends: AtomicBool,
}

impl ModelServer {
    /// Starts one that answers as the script says.
    ///
    /// # Panics
    /// When the system has no port for it.
    pub fn start(script: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared {
            script: Box::new(script),
            seen: Mutex::default(),
            closed: AtomicU64::new(0),
            sent: AtomicU64::new(0),
            inside: AtomicU64::new(0),
            ends: AtomicBool::new(false),
        });
        let server = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if server.ends.load(Ordering::SeqCst) {
                    return;
                }
                let (Ok(stream), server) = (stream, Arc::clone(&server)) else { continue };
                // Who went away has no need of an answer.
                std::thread::spawn(move || drop(server.serve(stream)));
            }
        });
        Self { address, shared }
    }

    /// One that always says the same, and that it read 10 and wrote 5 tokens.
    pub fn saying(text: &str) -> Self {
        let text = text.to_owned();
        Self::start(move |_| Reply::Say(text.clone(), Some((10, 5))))
    }

    /// Its base URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// The requests that came so far.
    #[must_use]
    pub fn seen(&self) -> Vec<Seen> {
        self.shared.seen().clone()
    }

    /// Connections that the other side closed while it waited for an answer.
    #[must_use]
    pub fn closed(&self) -> u64 {
        self.shared.closed.load(Ordering::SeqCst)
    }

    /// Bytes that endless answers got rid of.
    #[must_use]
    pub fn sent(&self) -> u64 {
        self.shared.sent.load(Ordering::SeqCst)
    }
}

impl Drop for ModelServer {
    fn drop(&mut self) {
        self.shared.ends.store(true, Ordering::SeqCst);
        // Wakes the thread that waits for the next connection.
        drop(TcpStream::connect(self.address));
    }
}

impl Shared {
    fn seen(&self) -> std::sync::MutexGuard<'_, Vec<Seen>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn serve(&self, mut stream: TcpStream) -> std::io::Result<()> {
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut reader = BufReader::new(stream.try_clone()?);
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let line = line.trim_end().to_owned();
        let mut headers = Vec::new();
        loop {
            let mut header = String::new();
            reader.read_line(&mut header)?;
            let Some((name, value)) = header.trim_end().split_once(": ") else { break };
            headers.push((name.to_ascii_lowercase(), value.to_owned()));
        }
        let length =
            headers.iter().find(|(name, _)| name == "content-length").and_then(|(_, value)| value.parse().ok());
        let mut body = vec![0; length.unwrap_or(0)];
        reader.read_exact(&mut body)?;
        let seen = {
            let mut all = self.seen();
            let body = serde_json::from_slice(&body).unwrap_or_default();
            let seen = Seen { number: all.len() as u64, line, headers, body };
            all.push(seen.clone());
            seen
        };
        match (self.script)(&seen) {
            Reply::Say(text, usage) => respond(&mut stream, 200, &[], &said(&text, usage)),
            Reply::Together(count, text) => {
                self.inside.fetch_add(1, Ordering::SeqCst);
                while self.inside.load(Ordering::SeqCst) < count as u64 && !self.ends.load(Ordering::SeqCst) {
                    std::thread::yield_now();
                }
                respond(&mut stream, 200, &[], &said(&text, Some((10, 5))))
            }
            Reply::Status(status, headers, body) => respond(&mut stream, status, &headers, &body),
            Reply::Nothing => {
                let mut byte = [0];
                if matches!(stream.read(&mut byte), Ok(0) | Err(_)) {
                    self.closed.fetch_add(1, Ordering::SeqCst);
                }
                Ok(())
            }
            Reply::CutOff => stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{\"choices\": [{\"mess"),
            Reply::Endless => {
                stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")?;
                let chunk = [b"10000\r\n".as_slice(), &[b' '; 0x10000], b"\r\n"].concat();
                loop {
                    stream.write_all(&chunk)?;
                    self.sent.fetch_add(chunk.len() as u64, Ordering::SeqCst);
                }
            }
            Reply::Raw(bytes) => stream.write_all(&bytes),
        }
    }
}

fn said(text: &str, usage: Option<(i64, i64)>) -> String {
    let usage = usage.map(|(read, written)| json!({"prompt_tokens": read, "completion_tokens": written}));
    let message = json!({"role": "assistant", "content": text});
    json!({"choices": [{"index": 0, "message": message, "finish_reason": "stop"}], "usage": usage}).to_string()
}

fn respond(stream: &mut TcpStream, status: u16, headers: &[(&str, String)], body: &str) -> std::io::Result<()> {
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let length = body.len();
    let whole = format!(
        "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\n{headers}content-length: {length}\r\n\r\n{body}"
    );
    stream.write_all(whole.as_bytes())
}
