//! The `palisade` binary as a test calls it: no home of the user, no variables, a folder of its own.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// What a call left behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The exit code; none if a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl From<Output> for Outcome {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

impl Outcome {
    /// Checks the exit code and gives the outcome on.
    ///
    /// # Panics
    /// When the code is another; shows both streams.
    #[track_caller]
    #[must_use]
    pub fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }
}

/// Where the binary is: beside the test's own executable.
#[must_use]
pub fn binary() -> PathBuf {
    let own = std::env::current_exe().unwrap_or_default();
    own.ancestors().nth(2).unwrap_or(Path::new(".")).join("palisade")
}

/// A call of the binary in `dir`. Compiled code is shared by all tests, state is not.
#[must_use]
pub fn command(dir: &Path) -> Command {
    surrounded(binary(), dir)
}

/// Runs a line of shell in `dir`, in which `palisade` is the binary.
///
/// # Panics
/// When there is no shell.
#[must_use]
pub fn shell(dir: &Path, line: &str) -> Outcome {
    surrounded(PathBuf::from("/bin/sh"), dir).arg("-c").arg(line).output().expect("a shell").into()
}

/// Runs the binary in `dir` with these arguments to its end.
///
/// # Panics
/// When the binary is not there: `cargo xtask test` builds it first.
#[must_use]
pub fn palisade<S: AsRef<std::ffi::OsStr>>(dir: &Path, args: impl IntoIterator<Item = S>) -> Outcome {
    command(dir).args(args).output().expect("`cargo xtask test` builds target/release/palisade before the tests").into()
}

fn surrounded(program: PathBuf, dir: &Path) -> Command {
    let shared = crate::root().join("target/test-home");
    let own = binary().parent().unwrap_or(Path::new(".")).as_os_str().to_owned();
    let mut path = own;
    path.push(":/usr/bin:/bin");
    let mut command = Command::new(program);
    command
        .current_dir(dir)
        .env_clear()
        .env("PATH", path)
        .env("HOME", &shared)
        .env("XDG_CACHE_HOME", shared.join("cache"))
        .env("XDG_STATE_HOME", shared.join("state"));
    command
}
