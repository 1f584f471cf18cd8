//! Reads what a person types, or what a pipe holds, one line at a time. Ends with the input, and when a signal comes.

use crate::render::console;
use palisade_engine::Cancel;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::io::{IsTerminal as _, stdin, stdout};

/// Most bytes of a line. What a pipe holds may have no line ends.
const MAX_LINE_BYTES: usize = 64 << 10;
/// How often it is looked for a signal while nobody types.
const LOOK_EVERY: Timespec = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };

/// Where commands come from.
#[derive(Debug)]
pub(super) struct Terminal {
    /// Somebody types; else each command is said again, so that what is written can be read.
    somebody: bool,
    cancel: Cancel,
    /// What was read and is not used yet.
    pending: Vec<u8>,
    ended: bool,
}

impl Terminal {
    pub(super) fn new(cancel: Cancel) -> Self {
        let somebody = stdin().is_terminal() && stdout().is_terminal();
        Self { somebody, cancel, pending: Vec::new(), ended: false }
    }

    /// The next line; none when the input has ended, or a signal came.
    pub(super) fn line(&mut self) -> Option<String> {
        if self.somebody {
            console::out("(palisade) ");
        }
        let line = self.read();
        match &line {
            Some(line) if !self.somebody => {
                console::out(&format!("(palisade) {}\n", palisade_model::neutral::line(line, 400)))
            }
            None if self.somebody => console::out("\n"),
            _ => {}
        }
        line
    }

    fn read(&mut self) -> Option<String> {
        loop {
            if self.cancel.is_cancelled() {
                return None;
            }
            if let Some(at) = self.pending.iter().position(|&byte| byte == b'\n') {
                let rest = self.pending.split_off(at + 1);
                return Some(text(&std::mem::replace(&mut self.pending, rest)));
            }
            if self.ended || self.pending.len() > MAX_LINE_BYTES {
                self.ended = true;
                let rest = std::mem::take(&mut self.pending);
                return (!rest.is_empty()).then(|| text(&rest));
            }
            let input = stdin();
            let mut waits = [PollFd::new(&input, PollFlags::IN)];
            match poll(&mut waits, Some(&LOOK_EVERY)) {
                Ok(0) | Err(rustix::io::Errno::INTR) => continue,
                Ok(_) => {}
                Err(_) => return None,
            }
            let mut bytes = [0; 4096];
            match rustix::io::read(&input, &mut bytes) {
                Ok(0) => self.ended = true,
                Ok(count) => self.pending.extend(bytes.iter().take(count)),
                Err(rustix::io::Errno::INTR) => {}
                Err(_) => return None,
            }
        }
    }
}

fn text(line: &[u8]) -> String {
    String::from_utf8_lossy(line).trim().to_owned()
}
