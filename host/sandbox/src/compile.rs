//! Turns the bytes of a component into native code, in a process of its own.
//!
//! Compiling hostile bytes is an attack on time and memory, so a child of the same executable does it under the
//! system's own limits; if it dies, a component was too much and nothing else happened. Components of the binary
//! itself were compiled before it was released and may be compiled in place.

use crate::caps::{self, CapsError};
use crate::config::{Allocator, config};
use palisade_model::Digest;
use rustix::fs::{MemfdFlags, memfd_create};
use rustix::process::{Resource, Rlimit, setrlimit};
use std::fs::File;
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Command, ExitCode, ExitStatus};
use std::time::{Duration, Instant};
use std::{cmp, thread};
use wasmtime::Engine;

/// The hidden subcommand of the executable that must call [`compile_worker_main`].
pub const COMPILE_WORKER_SUBCOMMAND: &str = "__compile";

/// Address space of the worker. Python needs 380 MB; the worst bomb seen took 1.4 GB.
const WORKER_MEMORY_BYTES: u64 = 4 << 30;
/// Seconds on a processor, over all threads. Python needs 12.
const WORKER_CPU_SECONDS: u64 = 60;
/// Time until the parent gives up, for a worker that waits instead of working.
const WORKER_WALL: Duration = Duration::from_secs(120);
/// Most bytes of compiled code. Python's are 40 MB.
const MAX_CODE_BYTES: u64 = 512 << 20;
/// Threads of the worker: each takes address space for its stack and its arena.
const WORKER_THREADS: &str = "4";
/// Most bytes of the worker's words that are kept.
const MAX_WORDS_BYTES: u64 = 4_096;
/// What the worker exits with when the compiler refuses the component.
const EXIT_REFUSED: u8 = 3;

/// Why a component was not compiled.
#[derive(Debug, thiserror::Error)]
pub enum CompileError {
    /// The structure is out of bounds.
    #[error(transparent)]
    Caps(#[from] CapsError),
    /// The bytes are not those of the component that was asked for.
    #[error("the bytes of the component have the digest {found}, not {wanted}")]
    OtherBytes {
        /// The digest of the component.
        wanted: Digest,
        /// The digest of the bytes.
        found: Digest,
    },
    /// The compiler refuses it: it is not valid, or uses what is switched off.
    #[error("the component can't be compiled: {0}")]
    Refused(String),
    /// It takes too long.
    #[error("compiling the component took more than {} s of CPU time", WORKER_CPU_SECONDS)]
    TooSlow,
    /// It takes too much memory.
    #[error("compiling the component took more than {} GiB of memory", WORKER_MEMORY_BYTES >> 30)]
    TooBig,
    /// The worker did not come to an end.
    #[error("compiling the component did not end within {} s", WORKER_WALL.as_secs())]
    TimedOut,
    /// The worker crashed: a fault of the compiler.
    #[error("the compile worker ended with {status}: {words}")]
    Crashed {
        /// How it ended.
        status: ExitStatus,
        /// What it said.
        words: String,
    },
    /// The worker could not be started or talked to.
    #[error("the compile worker could not be run")]
    Io(#[from] io::Error),
}

/// How a component is compiled.
#[derive(Debug, Clone, Copy)]
pub enum Compiling<'a> {
    /// By a child of this executable, which must call [`compile_worker_main`] for [`COMPILE_WORKER_SUBCOMMAND`].
    Child {
        /// The executable, most often the current one.
        executable: &'a Path,
    },
    /// In this process: only for components that came with the binary.
    InPlace,
}

/// A compiled component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Code {
    /// Core instances that one instantiation makes.
    pub(crate) core_instances: u32,
    /// Native code in wasmtime's form.
    pub(crate) native: Vec<u8>,
}

/// Compiles a component after looking through its structure.
///
/// # Errors
/// When it is no component, or takes more than compiling may take.
pub(crate) fn compile(engine: &Engine, bytes: &[u8], how: Compiling<'_>) -> Result<Code, CompileError> {
    let core_instances = caps::check(bytes)?;
    let native = match how {
        Compiling::Child { executable } => compile_in_child(executable, bytes),
        Compiling::InPlace => {
            engine.precompile_component(bytes).map_err(|error| CompileError::Refused(format!("{error:#}")))
        }
    }?;
    Ok(Code { core_instances, native })
}

/// Runs the worker. Input, code and words pass through files in memory, so that nobody waits for a pipe.
fn compile_in_child(executable: &Path, bytes: &[u8]) -> Result<Vec<u8>, CompileError> {
    let mut input = memory_file("component")?;
    input.write_all(bytes)?;
    input.rewind()?;
    let (code, words) = (memory_file("code")?, memory_file("words")?);
    let mut child = Command::new(executable)
        .arg(COMPILE_WORKER_SUBCOMMAND)
        .env_clear()
        .env("RAYON_NUM_THREADS", WORKER_THREADS)
        .current_dir("/")
        .stdin(input)
        .stdout(code.try_clone()?)
        .stderr(words.try_clone()?)
        .spawn()?;
    let deadline = Instant::now() + WORKER_WALL;
    let mut pause = Duration::from_micros(500);
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if Instant::now() >= deadline {
            child.kill()?;
            child.wait()?;
            return Err(CompileError::TimedOut);
        }
        thread::sleep(pause);
        pause = cmp::min(pause * 2, Duration::from_millis(5));
    };
    if status.success() {
        return Ok(read_back(code, MAX_CODE_BYTES)?);
    }
    let words = read_back(words, MAX_WORDS_BYTES)?;
    Err(end_of_worker(status, String::from_utf8_lossy(&words).trim().to_owned()))
}

fn end_of_worker(status: ExitStatus, words: String) -> CompileError {
    const SIGABRT: i32 = rustix::process::Signal::ABORT.as_raw();
    const SIGXCPU: i32 = rustix::process::Signal::XCPU.as_raw();
    const SIGXFSZ: i32 = rustix::process::Signal::XFSZ.as_raw();
    match (status.code(), status.signal()) {
        (Some(code), _) if code == i32::from(EXIT_REFUSED) => CompileError::Refused(words),
        (_, Some(SIGXCPU)) => CompileError::TooSlow,
        // Rust aborts when an allocation fails; code that is larger than it may be is a matter of memory too.
        (_, Some(SIGABRT | SIGXFSZ)) => CompileError::TooBig,
        _ => CompileError::Crashed { status, words },
    }
}

fn memory_file(name: &str) -> io::Result<File> {
    Ok(File::from(memfd_create(name, MemfdFlags::CLOEXEC)?))
}

fn read_back(mut file: File, most: u64) -> io::Result<Vec<u8>> {
    file.rewind()?;
    let mut bytes = Vec::new();
    file.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// What the executable does for its hidden subcommand [`COMPILE_WORKER_SUBCOMMAND`]: limits itself, then compiles the
/// component on standard input and writes its code to standard output.
///
/// It reads no arguments, no environment and no files.
#[must_use]
pub fn compile_worker_main() -> ExitCode {
    match work() {
        Ok(()) => ExitCode::SUCCESS,
        Err(words) => {
            // Nothing can be done about words that can't be written; the exit code says enough.
            let _ = io::stderr().write_all(words.as_bytes());
            ExitCode::from(EXIT_REFUSED)
        }
    }
}

fn work() -> Result<(), String> {
    for (resource, most) in [
        (Resource::As, WORKER_MEMORY_BYTES),
        (Resource::Cpu, WORKER_CPU_SECONDS),
        (Resource::Fsize, MAX_CODE_BYTES),
        (Resource::Core, 0),
    ] {
        // One more for the hard limit: CPU time ends with a signal that says so, not with the one that anyone may send.
        let limit = Rlimit { current: Some(most), maximum: Some(most.saturating_add(1)) };
        setrlimit(resource, limit).map_err(|error| format!("the worker could not limit itself: {error}"))?;
    }
    let mut bytes = Vec::new();
    let most = caps::MAX_COMPONENT_BYTES as u64;
    io::stdin().take(most).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    let engine = Engine::new(&config(Allocator::OnDemand)).map_err(|error| format!("{error:#}"))?;
    let code = engine.precompile_component(&bytes).map_err(|error| format!("{error:#}"))?;
    io::stdout().lock().write_all(&code).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(script: &str) -> CompileError {
        let status = Command::new("/bin/sh").args(["-c", script]).status().unwrap();
        end_of_worker(status, "words".into())
    }

    #[test]
    fn the_end_of_the_worker_says_what_was_too_much() {
        assert!(matches!(ended("kill -XCPU $$"), CompileError::TooSlow));
        assert!(matches!(ended("kill -ABRT $$"), CompileError::TooBig));
        assert!(matches!(ended("kill -XFSZ $$"), CompileError::TooBig));
        assert!(matches!(ended("exit 3"), CompileError::Refused(words) if words == "words"));
        assert!(matches!(ended("kill -KILL $$"), CompileError::Crashed { .. }));
        assert!(matches!(ended("exit 1"), CompileError::Crashed { .. }));
    }
}
