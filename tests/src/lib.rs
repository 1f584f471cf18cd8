//! Support for tests that drive the `palisade` binary: folders of their own, the command, a redactor.

pub mod command;
pub mod counting;
mod cpu;
pub mod cuts;
pub mod dir;
mod disk;
pub mod effects;
pub mod guest;
pub mod journal;
pub mod models;
pub mod redact;
pub mod server;
pub mod servers;
pub mod stepping;
pub mod tls;
pub mod told;
pub mod witness;

pub use command::{Outcome, palisade};
pub use cpu::{Taken, cpu_time, taken_by};
pub use dir::Dir;
pub use models::{ModelServer, Reply};

/// The root of the project.
#[must_use]
pub fn root() -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap_or_default()
}

/// The cases of a test, each a JSON file of a folder beside this crate's `tests`, with their names and in the order of those.
///
/// # Panics
/// When the folder can't be read, or a file is no such case.
#[must_use]
pub fn cases<C: serde::de::DeserializeOwned>(folder: &str) -> Vec<(String, C)> {
    let mut cases = Vec::new();
    for file in std::fs::read_dir(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)).expect("a folder") {
        let path = file.expect("an entry").path();
        let case = serde_json::from_slice(&std::fs::read(&path).expect("a file"));
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        cases.push((name, case.unwrap_or_else(|error| panic!("{}: {error}", path.display()))));
    }
    cases.sort_by(|(one, _), (other, _)| one.cmp(other));
    cases
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

/// A folder as by [`with_stepper`], with these settings, and the agent `test:delegate` too. Its bytes are accepted, so that
/// what the settings grant it counts.
///
/// # Panics
/// When a component is refused.
#[must_use]
pub fn with_delegate(settings: &str) -> Option<Dir> {
    let dir = with_stepper()?;
    let component = root().join("target/delegate/delegate.wasm");
    let Ok(bytes) = std::fs::read(&component) else {
        skipped("the delegate is not in target/delegate");
        return None;
    };
    dir.write("palisade.toml", settings);
    let add = [std::ffi::OsStr::new("component"), "add".as_ref(), component.as_os_str()];
    let _ = palisade(dir.path(), add).exits(0);
    if settings.contains("[[grant]]") {
        let digest = palisade_model::Digest::of(&bytes).to_string();
        let _ = palisade(dir.path(), ["grants", "accept", "test:delegate", "--digest", &digest]).exits(0);
    }
    Some(dir)
}

/// Says that a test could not do its work, past the harness, which shows nothing that a passing test prints.
pub fn skipped(why: &str) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stderr(), "SKIPPED: {why}");
}
