//! A web server on this machine, for one test: it answers as the path says, and keeps what it was sent.

use crate::effects::Told;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// A server; its threads end with the process.
#[derive(Debug)]
pub struct Server {
    port: u16,
    seen: Arc<Mutex<Vec<String>>>,
    closed: Arc<Mutex<usize>>,
}

impl Server {
    /// Starts one.
    ///
    /// # Panics
    /// When there is no port.
    #[must_use]
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let (seen, closed) = (Arc::<Mutex<Vec<String>>>::default(), Arc::<Mutex<usize>>::default());
        let (keep, count) = (Arc::clone(&seen), Arc::clone(&closed));
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (keep, count) = (Arc::clone(&keep), Arc::clone(&count));
                thread::spawn(move || {
                    let _ = serve(stream, port, &keep);
                    *count.lock().unwrap_or_else(PoisonError::into_inner) += 1;
                });
            }
        });
        Self { port, seen, closed }
    }

    /// Its port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The requests so far, whole.
    #[must_use]
    pub fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What it was told under each idempotency key, each time: method, path and body.
    ///
    /// # Panics
    /// When what it was sent under one is no request.
    #[must_use]
    pub fn told(&self) -> Told {
        let mut told = Told::new();
        for request in self.seen() {
            let (head, body) = request.split_once("\r\n\r\n").expect("a request");
            let mut lines = head.lines();
            let what = lines.next().and_then(|line| line.strip_suffix(" HTTP/1.1")).expect("a request line");
            if let Some(key) = lines.find_map(|line| line.strip_prefix("idempotency-key: ")) {
                told.entry(key.to_owned()).or_default().push(format!("{what} {body}"));
            }
        }
        told
    }

    /// Waits until that many connections are closed.
    ///
    /// # Panics
    /// When they are not within ten seconds.
    pub fn wait_for_closed(&self, connections: usize) {
        for _ in 0..1_000 {
            if *self.closed.lock().unwrap_or_else(PoisonError::into_inner) >= connections {
                return;
            }
            thread::sleep(Duration::from_millis(10));
        }
        panic!("{connections} connections were not closed");
    }
}

fn serve(mut stream: TcpStream, port: u16, seen: &Mutex<Vec<String>>) -> std::io::Result<()> {
    let mut request = Vec::new();
    let mut piece = [0; 4_096];
    let whole = loop {
        let text = String::from_utf8_lossy(&request).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length =
                head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
            if body.len() >= length.unwrap_or(0) {
                break text;
            }
        }
        match stream.read(&mut piece)? {
            0 => return Ok(()),
            read => request.extend_from_slice(piece.get(..read).unwrap_or_default()),
        }
    };
    seen.lock().unwrap_or_else(PoisonError::into_inner).push(whole.clone());
    let path = whole.split(' ').nth(1).unwrap_or_default().to_owned();
    let plain = |body: &str| format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    let sent = match path.as_str() {
        "/elsewhere" => {
            format!("HTTP/1.1 302 Found\r\nlocation: http://localhost:{port}/other\r\ncontent-length: 0\r\n\r\n")
        }
        "/away" => "HTTP/1.1 302 Found\r\nlocation: http://evil.example/\r\ncontent-length: 0\r\n\r\n".to_owned(),
        "/cut" => "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf".to_owned(),
        "/long" => format!("HTTP/1.1 200 OK\r\nlong: {}\r\n\r\n", "x".repeat(200_000)),
        "/many" => format!("HTTP/1.1 200 OK\r\n{}\r\n", "a: b\r\n".repeat(200)),
        "/nonsense" => "what?\r\n\r\n".to_owned(),
        "/echo" => {
            let sent = whole.lines().find_map(|line| line.strip_prefix("authorization: ")).unwrap_or_default();
            format!("HTTP/1.1 200 OK\r\nlocation: {sent}\r\ncontent-length: {}\r\n\r\n{whole}", whole.len())
        }
        "/drip" => {
            let pieces = whole.as_bytes().chunks(3);
            let pieces = pieces.map(|piece| format!("{:x}\r\n{}\r\n", piece.len(), String::from_utf8_lossy(piece)));
            format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{}0\r\n\r\n", pieces.collect::<String>())
        }
        "/packed" => "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 4\r\n\r\nzzzz".to_owned(),
        "/hundred" => plain(&"x".repeat(100)),
        "/endless" | "/silent" => "HTTP/1.1 200 OK\r\n\r\n".to_owned(),
        "/mute" => String::new(),
        _ => plain("hello"),
    };
    stream.write_all(sent.as_bytes())?;
    match path.as_str() {
        "/endless" => loop {
            stream.write_all(&[b'x'; 4_096])?;
        },
        // Until the other side has had enough.
        "/silent" | "/mute" => while stream.read(&mut piece)? > 0 {},
        _ => stream.shutdown(Shutdown::Both)?,
    }
    Ok(())
}
