//! A witness of audit logs on this machine, for one test: it checks what it is shown as c2sp.org/tlog-witness says, or lies.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use palisade_audit::{Checkpoint, Note, SigningKey, VerifyingKey, verify_consistency};
use palisade_model::Digest;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

/// What a witness does that it should not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Lie {
    /// Nothing.
    #[default]
    None,
    /// It signs with a key that is not its own.
    Forges,
    /// It signs something else.
    Other,
    /// It says that it saw so many entries.
    Saw(u64),
    /// It answers nothing of any form.
    Nonsense,
    /// It answers nothing at all.
    Mute,
}

/// A witness; its threads end with the process.
#[derive(Debug)]
pub struct Witness {
    port: u16,
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    log: Option<VerifyingKey>,
    size: u64,
    root: Digest,
    lie: Lie,
    asked: usize,
}

const NAME: &str = "witness.example";

impl Witness {
    /// Starts one that knows no log yet.
    ///
    /// # Panics
    /// When there is no port.
    #[must_use]
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let state = State { log: None, size: 0, root: palisade_audit::empty_root(), lie: Lie::None, asked: 0 };
        let state = Arc::new(Mutex::new(state));
        let of_thread = Arc::clone(&state);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let _ = serve(stream, &of_thread);
            }
        });
        Self { port, state }
    }

    /// The table of `palisade.toml` that names it.
    #[must_use]
    pub fn table(&self) -> String {
        let port = self.port;
        format!("[[witness]]\nurl = \"http://localhost:{port}\"\nkey = \"{}\"\ntimeout = \"2s\"\n", key())
    }

    /// Lets it know a log.
    pub fn knows(&self, log: VerifyingKey) {
        self.lock().log = Some(log);
    }

    /// What it does from now on.
    pub fn lies(&self, lie: Lie) {
        self.lock().lie = lie;
    }

    /// How many entries the log had that it signed last.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.lock().size
    }

    /// How often it was asked.
    #[must_use]
    pub fn asked(&self) -> usize {
        self.lock().asked
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn signing(seed: u8) -> SigningKey {
    SigningKey::from_seed(NAME, [seed; 32]).expect("a key")
}

/// The first four bytes of the hash, and the bytes behind the kind.
fn public() -> ([u8; 4], Vec<u8>) {
    let text = signing(7).verifying().to_string();
    let bytes = STANDARD.decode(text.rsplit('+').next().expect("a part")).expect("base64");
    let point = bytes[1..].to_vec();
    let hash = Digest::of(&[NAME.as_bytes(), b"\n\x04", &point].concat());
    (*hash.as_bytes().first_chunk().expect("a hash"), point)
}

/// The key by which its signatures are known.
fn key() -> String {
    let (hash, point) = public();
    format!("{NAME}+{:08x}+{}", u32::from_be_bytes(hash), STANDARD.encode([&[4], point.as_slice()].concat()))
}

fn serve(mut stream: TcpStream, state: &Mutex<State>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let (mut first, mut length) = (String::new(), 0);
    reader.read_line(&mut first)?;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        if line.trim_end().is_empty() {
            break;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or(0);
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
    state.asked += 1;
    let (status, answer) = match state.lie {
        _ if !first.starts_with("POST /add-checkpoint HTTP/1.1") => (404, String::new()),
        Lie::Nonsense => (200, "nothing of any form\n".to_owned()),
        Lie::Mute => {
            // Until the other side has had enough.
            drop(state);
            let _ = reader.read(&mut [0; 1]);
            return Ok(());
        }
        Lie::Saw(size) => (409, format!("{size}\n")),
        lie => state.judge(&String::from_utf8_lossy(&body), lie).unwrap_or_else(|status| (status, String::new())),
    };
    let length = answer.len();
    write!(stream, "HTTP/1.1 {status} Answer\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{answer}")
}

impl State {
    /// The status and the body, in the order of the checks of the document.
    fn judge(&mut self, body: &str, lie: Lie) -> Result<(u16, String), u16> {
        let (head, note) = body.split_once("\n\n").ok_or(400_u16)?;
        let mut lines = head.lines();
        let old: u64 = lines.next().and_then(|line| line.strip_prefix("old ")?.parse().ok()).ok_or(400_u16)?;
        let hash = |line: &str| Some(Digest::from_bytes(STANDARD.decode(line).ok()?.try_into().ok()?));
        let way: Vec<Digest> = lines.map(hash).collect::<Option<_>>().ok_or(400_u16)?;
        let note = Note::parse(note.as_bytes()).map_err(|_| 400_u16)?;
        let checkpoint = Checkpoint::of_note(&note).map_err(|_| 400_u16)?;
        let log = self.log.as_ref().filter(|log| log.name() == checkpoint.origin).ok_or(404_u16)?;
        note.verify(log).map_err(|_| 403_u16)?;
        if old > checkpoint.size {
            return Err(400);
        }
        if old != self.size || (old == checkpoint.size && checkpoint.root != self.root) {
            return Ok((409, format!("{}\n", self.size)));
        }
        let (before, now) = ((old, self.root), (checkpoint.size, checkpoint.root));
        verify_consistency(before, now, &way).map_err(|_| 422_u16)?;
        (self.size, self.root) = now;
        let text = if lie == Lie::Other { "palisade/other\n1\nAAAA\n" } else { note.text() };
        let at = 1_795_694_400_u64;
        let signing = signing(if lie == Lie::Forges { 8 } else { 7 });
        let signature = signing.sign(format!("cosignature/v1\ntime {at}\n{text}").as_bytes());
        let bytes = [&public().0[..], &at.to_be_bytes(), &signature].concat();
        Ok((200, format!("\u{2014} {NAME} {}\n", STANDARD.encode(bytes))))
    }
}
