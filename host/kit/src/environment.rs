//! Owns what the kit takes from the process around it. Read once, at the edge, so that tests can give another.

use std::{
    env,
    ffi::OsString,
    path::{Path, PathBuf},
    process::Command,
};

/// The programs and folders that builds use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Environment {
    /// The `cargo` program: what runs this process, else `cargo` on the path.
    pub cargo: OsString,
    /// The `rustc` that the user has chosen, asked for its sysroot.
    pub rustc: OsString,
    /// The user's home folder; never named by a component.
    pub home: Option<PathBuf>,
    /// Cargo's home, where registry sources lie; never named by a component.
    pub cargo_home: Option<PathBuf>,
    /// Rustup's home, where toolchains lie.
    pub rustup_home: Option<PathBuf>,
    /// The `rustup` program.
    pub rustup: OsString,
    /// Where the system's packages put programs: Debian's compiler and linkers.
    pub system_programs: PathBuf,
}

impl Environment {
    /// Reads it from this process.
    pub fn of_process() -> Self {
        let folder = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let home = env::home_dir();
        let below_home = |name: &str| home.as_deref().map(|home| home.join(name));
        Self {
            cargo: env::var_os("CARGO").unwrap_or_else(|| "cargo".into()),
            rustc: env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()),
            cargo_home: folder("CARGO_HOME").or_else(|| below_home(".cargo")),
            rustup_home: folder("RUSTUP_HOME").or_else(|| below_home(".rustup")),
            home,
            rustup: "rustup".into(),
            system_programs: "/usr/bin".into(),
        }
    }

    /// Makes a command that inherits nothing which could change the bytes of a build: flags, wrappers, profiles and
    /// target folders of the caller, among them what an outer `cargo run` sets.
    pub(crate) fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        for (name, _) in env::vars_os() {
            let Some(text) = name.to_str() else { continue };
            let changes_the_build =
                ["CARGO_BUILD_", "CARGO_PKG_", "CARGO_PROFILE_", "CARGO_TARGET_", "CARGO_UNSTABLE_"]
                    .iter()
                    .any(|prefix| text.starts_with(prefix))
                    || ["CARGO_ENCODED_RUSTFLAGS", "CARGO_INCREMENTAL", "CARGO_MANIFEST_DIR", "CARGO_MANIFEST_PATH"]
                        .contains(&text)
                    || text.starts_with("RUSTC")
                    || text.starts_with("RUSTDOC")
                    || text == "RUSTFLAGS";
            if changes_the_build {
                command.env_remove(&name);
            }
        }
        let folders = [("HOME", &self.home), ("CARGO_HOME", &self.cargo_home), ("RUSTUP_HOME", &self.rustup_home)];
        for (name, folder) in folders {
            if let Some(folder) = folder {
                command.env(name, folder);
            }
        }
        command
    }

    /// Returns the folders whose names must not get into a component, with what stands for them. A folder comes after
    /// those that hold it: the compiler takes the last one that fits.
    pub(crate) fn private_folders(&self) -> Vec<(&Path, &'static str)> {
        let mut folders = Vec::new();
        folders.extend(self.home.as_deref().map(|home| (home, "/home")));
        folders.extend(self.rustup_home.as_deref().map(|home| (home, "/rustup")));
        folders.extend(self.cargo_home.as_deref().map(|home| (home, "/cargo")));
        folders
    }
}
