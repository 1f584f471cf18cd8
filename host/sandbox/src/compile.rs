//! Turns the bytes of a component into native code, in a process of its own.
//!
//! Compiling hostile bytes is an attack on time and memory, so a child of the same executable does it under the
//! system's own limits; if it dies, a component was too much and nothing else happened. Components of the binary
//! itself were compiled before it was released and may be compiled in place.

use crate::caps::{self, CapsError};
use crate::config::{Allocator, config};
use palisade_model::Digest;
use palisade_model::unit::Bytes;
use rustix::fs::{MemfdFlags, memfd_create};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
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

/// What a worker may take unless a test wants less: 380 MB and 12 s are needed for Python.
const BOUNDS: WorkerBounds = WorkerBounds { memory: Bytes(4 << 30), cpu_seconds: 60 };
/// Time until the parent gives up, for a worker that waits instead of working.
const WORKER_WALL: Duration = Duration::from_secs(120);
/// Most bytes of compiled code. Python's are 40 MB.
const MAX_CODE_BYTES: u64 = 512 << 20;
/// Threads of the worker: each takes address space for its stack and its arena.
const WORKER_THREADS: &str = "4";
/// Most bytes of the worker's words that are kept.
const MAX_WORDS_BYTES: u64 = 4_096;
/// How wasmtime says, in an error or a panic, that it got no memory. Whoever makes a component say so is refused all the same.
const OUT_OF_MEMORY: &str = "out of memory (failed to allocate";
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
    #[error("compiling the component took more than {seconds} s of CPU time")]
    TooSlow {
        /// What it may take.
        seconds: u64,
    },
    /// It takes too much memory.
    #[error("compiling the component took more than {most} of address space")]
    TooBig {
        /// What it may take.
        most: Bytes,
    },
    /// Too much code came of it.
    #[error("the component comes to more than {} of compiled code", Bytes(MAX_CODE_BYTES))]
    TooMuchCode,
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
        /// What the child may take.
        bounds: WorkerBounds,
    },
    /// In this process: only for components that came with the binary.
    InPlace,
}

impl<'a> Compiling<'a> {
    /// By a child that may take as much as honest components need, and more.
    #[must_use]
    pub fn child(executable: &'a Path) -> Self {
        Self::Child { executable, bounds: BOUNDS }
    }
}

/// What a compile worker may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WorkerBounds {
    /// Of address space.
    pub memory: Bytes,
    /// On a processor, over all threads.
    pub cpu_seconds: u64,
}

impl WorkerBounds {
    /// These, or less where this process and all that it starts may not have so much.
    fn here(self) -> Self {
        let most = |resource, bound| limit(resource, bound).current.unwrap_or(bound);
        Self { memory: Bytes(most(Resource::As, self.memory.0)), cpu_seconds: most(Resource::Cpu, self.cpu_seconds) }
    }

    /// What stands before the component on the worker's standard input.
    fn to_bytes(self) -> [u8; 16] {
        (u128::from(self.memory.0) << 64 | u128::from(self.cpu_seconds)).to_be_bytes()
    }

    fn of_bytes(bytes: [u8; 16]) -> Self {
        let both = u128::from_be_bytes(bytes);
        Self { memory: Bytes((both >> 64) as u64), cpu_seconds: both as u64 }
    }
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
        Compiling::Child { executable, bounds } => compile_in_child(executable, bounds.here(), bytes),
        Compiling::InPlace => {
            engine.precompile_component(bytes).map_err(|error| CompileError::Refused(format!("{error:#}")))
        }
    }?;
    Ok(Code { core_instances, native })
}

/// Runs the worker. Input, code and words pass through files in memory, so that nobody waits for a pipe.
fn compile_in_child(executable: &Path, bounds: WorkerBounds, bytes: &[u8]) -> Result<Vec<u8>, CompileError> {
    let mut input = memory_file("component")?;
    input.write_all(&bounds.to_bytes())?;
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
    Err(end_of_worker(bounds, status, String::from_utf8_lossy(&words).trim().to_owned()))
}

fn end_of_worker(bounds: WorkerBounds, status: ExitStatus, words: String) -> CompileError {
    const SIGABRT: i32 = rustix::process::Signal::ABORT.as_raw();
    const SIGXCPU: i32 = rustix::process::Signal::XCPU.as_raw();
    const SIGXFSZ: i32 = rustix::process::Signal::XFSZ.as_raw();
    match (status.code(), status.signal()) {
        (Some(_), _) if words.contains(OUT_OF_MEMORY) => CompileError::TooBig { most: bounds.memory },
        (Some(code), _) if code == i32::from(EXIT_REFUSED) => CompileError::Refused(words),
        (_, Some(SIGXCPU)) => CompileError::TooSlow { seconds: bounds.cpu_seconds },
        // Rust aborts when an allocation fails.
        (_, Some(SIGABRT)) => CompileError::TooBig { most: bounds.memory },
        (_, Some(SIGXFSZ)) => CompileError::TooMuchCode,
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

/// What the executable does for its hidden subcommand [`COMPILE_WORKER_SUBCOMMAND`]: limits itself as the beginning of
/// its standard input says, then compiles the component that follows and writes its code to standard output.
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

/// A bound of a resource, or less where this process may not have so much.
fn limit(resource: Resource, bound: u64) -> Rlimit {
    // One more for the hard limit: CPU time ends with a signal that says so, not with the one that anyone may send.
    let maximum = bound.saturating_add(1).min(getrlimit(resource).maximum.unwrap_or(u64::MAX));
    Rlimit { current: Some(maximum.saturating_sub(1)), maximum: Some(maximum) }
}

fn work() -> Result<(), String> {
    let (mut input, mut bounds) = (io::stdin().lock(), [0; 16]);
    input.read_exact(&mut bounds).map_err(|error| error.to_string())?;
    let bounds = WorkerBounds::of_bytes(bounds);
    for (resource, bound) in [
        (Resource::As, bounds.memory.0),
        (Resource::Cpu, bounds.cpu_seconds),
        (Resource::Fsize, MAX_CODE_BYTES),
        (Resource::Core, 0),
    ] {
        setrlimit(resource, limit(resource, bound))
            .map_err(|error| format!("the worker could not limit itself: {error}"))?;
    }
    let mut bytes = Vec::new();
    let most = caps::MAX_COMPONENT_BYTES as u64;
    input.take(most).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    let engine = Engine::new(&config(Allocator::OnDemand)).map_err(|error| format!("{error:#}"))?;
    let code = engine.precompile_component(&bytes).map_err(|error| format!("{error:#}"))?;
    io::stdout().lock().write_all(&code).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(script: &str) -> CompileError {
        let status = Command::new("/bin/sh").args(["-c", script]).status().unwrap();
        end_of_worker(BOUNDS, status, "words".into())
    }

    #[test]
    fn bounds_go_to_the_worker_as_they_are() {
        let bounds = WorkerBounds { memory: Bytes(u64::MAX), cpu_seconds: 7 };
        assert_eq!(WorkerBounds::of_bytes(bounds.to_bytes()), bounds);
    }

    #[test]
    fn the_end_of_the_worker_says_what_was_too_much() {
        assert!(matches!(ended("kill -XCPU $$"), CompileError::TooSlow { seconds: 60 }));
        assert!(matches!(ended("kill -ABRT $$"), CompileError::TooBig { most } if most == BOUNDS.memory));
        assert!(matches!(ended("kill -XFSZ $$"), CompileError::TooMuchCode));
        assert!(matches!(ended("exit 3"), CompileError::Refused(words) if words == "words"));
        assert!(matches!(ended("kill -KILL $$"), CompileError::Crashed { .. }));
        assert!(matches!(ended("exit 1"), CompileError::Crashed { .. }));
    }
}
