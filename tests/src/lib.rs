//! Support for tests that drive the `palisade` binary: folders of their own, the command, a redactor.

pub mod command;
pub mod dir;
pub mod guest;
pub mod redact;

pub use command::{Outcome, palisade};
pub use dir::Dir;

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

/// Says that a test could not do its work, past the harness, which shows nothing that a passing test prints.
pub fn skipped(why: &str) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stderr(), "SKIPPED: {why}");
}
