//! The two streams. A reader that went away (`| head`) is no error; a full disk is.

use std::io::{self, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};

/// Something for standard output was lost.
static LOST: AtomicBool = AtomicBool::new(false);

/// Whoever read standard output went away.
static CLOSED: AtomicBool = AtomicBool::new(false);

/// Writes to standard output.
pub(crate) fn out(text: &str) {
    let mut stdout = io::stdout().lock();
    note(stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()));
}

/// Says whether whoever read standard output went away.
pub(crate) fn closed() -> bool {
    CLOSED.load(Ordering::Relaxed)
}

/// Says whether something that was meant for standard output could not be written there.
pub(crate) fn lost() -> bool {
    LOST.load(Ordering::Relaxed)
}

fn note(written: io::Result<()>) {
    let Err(error) = written else { return };
    if error.kind() == io::ErrorKind::BrokenPipe {
        CLOSED.store(true, Ordering::Relaxed);
    } else {
        LOST.store(true, Ordering::Relaxed);
        err(&format!("error: standard output can't be written: {error}\n"));
    }
}

/// Writes to standard error.
pub(crate) fn err(text: &str) {
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

/// Standard error as a writer that takes everything: there is nobody to tell that nobody reads it.
pub(crate) struct Stderr;

impl io::Write for Stderr {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        drop(io::stderr().lock().write_all(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes one JSON document to standard output.
pub(crate) fn json(value: &impl serde::Serialize) {
    // Standard output itself writes line by line, and a plan may have millions of lines.
    let mut stdout = io::BufWriter::new(io::stdout().lock());
    let written = serde_json::to_writer_pretty(&mut stdout, value).map_err(io::Error::from);
    note(written.and_then(|()| stdout.write_all(b"\n")).and_then(|()| stdout.flush()));
}

/// Columns of the terminal behind standard error, 100 where there is none.
pub(crate) fn width() -> usize {
    let size = rustix::termios::tcgetwinsize(io::stderr());
    size.ok().map(|size| usize::from(size.ws_col)).filter(|&columns| columns > 0).unwrap_or(100)
}
