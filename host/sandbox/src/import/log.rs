//! `palisade:plugin/log`: lines for people. No authority.
//!
//! Nothing here fails: over `log-bytes` texts are dropped and counted, skips are always passed on.

use crate::bindings::palisade::plugin::log;
use crate::cost::Work;
use crate::meter::Total;
use crate::ports::Level;
use crate::state::Host;
use wasmtime::component::{HasSelf, Linker};

/// Most bytes of one text; longer ones are cut.
const MAX_TEXT_BYTES: usize = 64 << 10;

pub(crate) fn add_to_linker(linker: &mut Linker<Host>) -> wasmtime::Result<()> {
    log::add_to_linker::<_, HasSelf<_>>(linker, |host| host)
}

impl log::Host for Host {
    fn write(&mut self, level: log::Level, message: String) -> wasmtime::Result<()> {
        self.charge(Work::Log, message.len());
        let message = cut(&message);
        if level == log::Level::Error {
            self.note_error_line(message);
        }
        if self.keeps(message.len()) {
            self.ports.log(known(level), message);
        }
        Ok(())
    }

    fn progress(&mut self, done: u64, total: Option<u64>, note: String) -> wasmtime::Result<()> {
        self.charge(Work::Log, note.len());
        let note = cut(&note);
        let note = if self.keeps(note.len()) { note } else { "" };
        self.ports.progress(done, total, note);
        Ok(())
    }

    fn skip(&mut self, what: String, reason: String) -> wasmtime::Result<()> {
        let (what, reason) = self.kept(&what, &reason);
        self.ports.skip(what, reason);
        Ok(())
    }
}

impl Host {
    /// As much of what was left out and why as there is room for, counted.
    pub(crate) fn kept<'t>(&mut self, what: &'t str, reason: &'t str) -> (&'t str, &'t str) {
        self.charge(Work::Log, what.len() + reason.len());
        let (what, reason) = (cut(what), cut(reason));
        if self.keeps(what.len() + reason.len()) { (what, reason) } else { ("", "") }
    }

    /// Counts a text; says whether there is room for it.
    fn keeps(&self, bytes: usize) -> bool {
        let kept = self.meter.spend(Total::LogBytes, bytes as u64).is_ok();
        if !kept {
            self.meter.log_dropped(bytes as u64);
        }
        kept
    }
}

fn known(level: log::Level) -> Level {
    match level {
        log::Level::Trace => Level::Trace,
        log::Level::Debug => Level::Debug,
        log::Level::Info => Level::Info,
        log::Level::Warn => Level::Warn,
        log::Level::Error => Level::Error,
    }
}

fn cut(text: &str) -> &str {
    text.get(..text.floor_char_boundary(MAX_TEXT_BYTES)).unwrap_or_default()
}
