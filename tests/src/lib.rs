//! Support for tests that drive the `palisade` binary: folders of their own, the command, a redactor.

pub mod command;
mod cpu;
pub mod dir;
pub mod guest;
pub mod journal;
pub mod models;
pub mod redact;
pub mod server;
pub mod stepping;
pub mod told;

pub use command::{Outcome, palisade};
pub use cpu::cpu_time;
pub use dir::Dir;
pub use models::{ModelServer, Reply};

/// The root of the project.
#[must_use]
pub fn root() -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap_or_default()
}

/// WCF's reference data, which is no part of the project; `None` and a loud line where it is absent.
#[must_use]
pub fn wcf() -> Option<std::path::PathBuf> {
    let path = root().join("../shared/wcf");
    if path.is_dir() {
        Some(path)
    } else {
        skipped("WCF's reference data is not beside the project");
        None
    }
}

/// A folder in which the component of tests was added (`plugins/stepper`); `None` and a loud line where it is not built.
///
/// # Panics
/// When the component is refused.
#[must_use]
pub fn with_stepper() -> Option<Dir> {
    let component = root().join("target/stepper/stepper.wasm");
    if !component.is_file() {
        skipped("the stepper is not in target/stepper");
        return None;
    }
    let dir = Dir::new();
    let add = [std::ffi::OsStr::new("component"), "add".as_ref(), component.as_os_str()];
    let _ = palisade(dir.path(), add).exits(0);
    Some(dir)
}

/// Says that a test could not do its work, past the harness, which shows nothing that a passing test prints.
pub fn skipped(why: &str) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stderr(), "SKIPPED: {why}");
}
