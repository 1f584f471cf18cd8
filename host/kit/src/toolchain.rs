//! Owns the search for a compiler that can build guests. Never installs one (see `install`).

use std::{
    fmt, fs,
    path::{Path, PathBuf},
};

use crate::Environment;

/// The compile target of every guest.
pub const TARGET: &str = "wasm32-unknown-unknown";

/// The Debian packages that bring a compiler for guests: `rustc` with the wasm backend, and the sources of `std`.
pub const DEBIAN_PACKAGES: [&str; 2] = ["rustc-web", "rust-web-src"];

const DEBIAN_RUSTC: &str = "/usr/bin/rustc";

/// A way to compile guests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Toolchain {
    /// The chosen compiler has the target's `std`.
    Sysroot {
        /// Its sysroot.
        sysroot: PathBuf,
        /// A linker, if the sysroot has none of its own.
        linker: Option<PathBuf>,
    },
    /// Debian's compiler, which builds `std` from its sources.
    Debian {
        /// The compiler.
        rustc: PathBuf,
        /// Its sysroot.
        sysroot: PathBuf,
        /// A linker for wasm.
        linker: PathBuf,
    },
}

impl fmt::Display for Toolchain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sysroot { sysroot, .. } => write!(f, "target {TARGET} in {}", sysroot.display()),
            Self::Debian { rustc, linker, .. } => {
                write!(f, "Debian's {} with the sources of std, linked by {}", rustc.display(), linker.display())
            }
        }
    }
}

/// No compiler for guests was found.
#[derive(Debug, thiserror::Error)]
pub enum FindError {
    /// Nothing of what was looked for is complete.
    #[error("found no Rust compiler that can build for {TARGET}")]
    None {
        /// What was looked for, and what was found.
        report: Report,
    },
}

impl FindError {
    /// Says what to install.
    pub fn help(&self) -> String {
        let Self::None { report } = self;
        report.help()
    }
}

/// What was looked for, in the order of preference; printed by `doctor`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// One line each.
    pub findings: Vec<Finding>,
    /// The first complete way, if any.
    pub toolchain: Option<Toolchain>,
    /// Whether `rustup` can be asked to add the target.
    pub has_rustup: bool,
    /// Whether a linker for wasm is there.
    pub has_linker: bool,
}

/// One thing that was looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What.
    pub what: &'static str,
    /// Whether it is there.
    pub found: bool,
    /// Where it is or was expected.
    pub detail: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", if self.found { "found" } else { "no   " }, self.what, self.detail)
    }
}

impl Report {
    /// Says what to install, for users of Debian's packages and of rustup.
    pub fn help(&self) -> String {
        format!(
            "on Debian, as root: {}\nwith rustup: rustup target add {TARGET}",
            debian_install_line(!self.has_linker)
        )
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for finding in &self.findings {
            writeln!(f, "{finding}")?;
        }
        match &self.toolchain {
            Some(toolchain) => write!(f, "guests are built with: {toolchain}"),
            None => write!(f, "guests can't be built\n{}", self.help()),
        }
    }
}

fn debian_install_line(with_linker: bool) -> String {
    let linker = if with_linker { format!(" {}", debian_linker_package()) } else { String::new() };
    format!("apt-get update && apt-get install -y {}{linker}", DEBIAN_PACKAGES.join(" "))
}

/// Returns the Debian package that brings a linker which fits Debian's compiler. That compiler ships a link to it, which
/// leads nowhere as long as the package is missing; before the compiler is there, the newest linker is the best guess.
pub fn debian_linker_package() -> String {
    let target = fs::read_link("/usr/bin/rust-lld").ok();
    let name = target.as_deref().and_then(Path::file_name).and_then(|name| name.to_str());
    name.unwrap_or("lld").to_owned()
}

/// Finds the first complete way to build guests: the target in the sysroot of the chosen compiler, else Debian's
/// compiler with the sources of `std`. Asks `rustc` for its sysroot; fails with everything that was looked for.
pub fn find(environment: &Environment) -> Result<Toolchain, FindError> {
    let mut report = inspect(environment);
    report.toolchain.take().ok_or(FindError::None { report })
}

/// Looks for everything and says what is there.
pub fn inspect(environment: &Environment) -> Report {
    let chosen = sysroot_of(environment, environment.rustc.as_ref());
    let linker = find_linker(environment);
    let debian = sysroot_of(environment, DEBIAN_RUSTC.as_ref());
    let std_sources = debian.as_deref().map(|sysroot| sysroot.join("lib/rustlib/src/rust/library"));
    let has_target = chosen.as_deref().is_some_and(has_target);
    let has_sources = std_sources.as_deref().is_some_and(|library| library.join("std/Cargo.toml").is_file());

    let findings = vec![
        Finding {
            what: "target in the sysroot",
            found: has_target,
            detail: match &chosen {
                Some(sysroot) => sysroot.join("lib/rustlib").join(TARGET).display().to_string(),
                None => "no `rustc` on the path".to_owned(),
            },
        },
        Finding { what: "Debian's rustc", found: debian.is_some(), detail: format!("{DEBIAN_RUSTC} (rustc-web)") },
        Finding {
            what: "Debian's sources of std",
            found: has_sources,
            detail: match &std_sources {
                Some(folder) => format!("{} (rust-web-src)", folder.display()),
                None => "rust-web-src".to_owned(),
            },
        },
        Finding {
            what: "a linker for wasm",
            found: linker.is_some(),
            detail: match &linker {
                Some(linker) => linker.display().to_string(),
                None => "rust-lld of a rustup toolchain, or wasm-ld of Debian's lld".to_owned(),
            },
        },
    ];
    let has_linker = linker.is_some();
    let toolchain = match (chosen.filter(|_| has_target), debian.filter(|_| has_sources), linker) {
        (Some(sysroot), _, linker) => {
            let own = lld_of_sysroot(&sysroot).is_some();
            Some(Toolchain::Sysroot { sysroot, linker: linker.filter(|_| !own) })
        }
        (None, Some(sysroot), Some(linker)) => Some(Toolchain::Debian { rustc: DEBIAN_RUSTC.into(), sysroot, linker }),
        _ => None,
    };
    Report { findings, toolchain, has_rustup: has_rustup(environment), has_linker }
}

/// Asks a compiler where its sysroot is. `None` if it can't be run.
fn sysroot_of(environment: &Environment, rustc: &Path) -> Option<PathBuf> {
    let output = environment.command(rustc).args(["--print", "sysroot"]).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let sysroot = text.trim_end();
    (output.status.success() && !sysroot.is_empty()).then(|| PathBuf::from(sysroot))
}

fn has_target(sysroot: &Path) -> bool {
    names_in(&sysroot.join("lib/rustlib").join(TARGET).join("lib"))
        .iter()
        .filter_map(|path| path.file_name()?.to_str())
        .any(|name| name.starts_with("libstd-") && name.ends_with(".rlib"))
}

fn has_rustup(environment: &Environment) -> bool {
    environment.command("rustup").arg("--version").output().is_ok_and(|output| output.status.success())
}

/// Finds a linker for wasm: `rust-lld` of any rustup toolchain, else LLVM's from Debian, the newest first.
fn find_linker(environment: &Environment) -> Option<PathBuf> {
    let toolchains = environment.rustup_home.as_deref().map(|home| names_in(&home.join("toolchains")));
    if let Some(linker) = toolchains.unwrap_or_default().iter().find_map(|sysroot| lld_of_sysroot(sysroot)) {
        return Some(linker);
    }
    let mut linkers: Vec<_> = names_in(Path::new("/usr/bin"))
        .into_iter()
        .filter_map(|path| {
            let version = path.file_name()?.to_str()?.strip_prefix("wasm-ld")?.to_owned();
            let version = if version.is_empty() { 0 } else { version.strip_prefix('-')?.parse::<u32>().ok()? };
            // Follows links: Debian's compiler ships one to a package that it only suggests.
            path.is_file().then_some((version, path))
        })
        .collect();
    linkers.sort();
    linkers.pop().map(|(_, path)| path)
}

fn lld_of_sysroot(sysroot: &Path) -> Option<PathBuf> {
    let hosts = names_in(&sysroot.join("lib/rustlib"));
    hosts.iter().map(|host| host.join("bin/rust-lld")).find(|lld| lld.is_file())
}

/// Lists a folder in a defined order; nothing if it can't be read.
fn names_in(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut names: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    names.sort();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(folder: &Path) -> Environment {
        Environment {
            cargo: "cargo".into(),
            rustc: folder.join("rustc").into(),
            home: None,
            cargo_home: None,
            rustup_home: Some(folder.join("rustup")),
        }
    }

    /// Makes a `rustc` that knows nothing but its sysroot.
    fn fake_rustc(folder: &Path) {
        use std::os::unix::fs::PermissionsExt;
        let script = format!("#!/bin/sh\necho '{}'\n", folder.display());
        fs::write(folder.join("rustc"), script).unwrap();
        fs::set_permissions(folder.join("rustc"), fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn touch(path: &Path) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "").unwrap();
    }

    #[test]
    fn the_target_in_the_sysroot_comes_first() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        fake_rustc(root);
        touch(&root.join("lib/rustlib/wasm32-unknown-unknown/lib/libstd-0123.rlib"));
        touch(&root.join("lib/rustlib/x86_64-unknown-linux-gnu/bin/rust-lld"));
        let found = find(&environment(root)).unwrap();
        assert_eq!(found, Toolchain::Sysroot { sysroot: root.to_owned(), linker: None });
    }

    #[test]
    fn a_target_without_std_does_not_count() {
        let folder = tempfile::tempdir().unwrap();
        fake_rustc(folder.path());
        touch(&folder.path().join("lib/rustlib/wasm32-unknown-unknown/lib/libcore-0123.rlib"));
        let report = inspect(&environment(folder.path()));
        assert!(!report.findings[0].found, "{report}");
    }

    #[test]
    fn a_linker_is_found_in_any_rustup_toolchain() {
        let folder = tempfile::tempdir().unwrap();
        let lld = folder.path().join("rustup/toolchains/nightly/lib/rustlib/x86_64-unknown-linux-gnu/bin/rust-lld");
        touch(&lld);
        assert_eq!(find_linker(&environment(folder.path())), Some(lld));
    }

    #[test]
    fn what_is_missing_is_said_for_debian_and_for_rustup() {
        let report = Report { findings: Vec::new(), toolchain: None, has_rustup: false, has_linker: false };
        let help = FindError::None { report }.help();
        assert!(help.contains("apt-get install -y rustc-web rust-web-src lld"), "{help}");
        assert!(help.contains("rustup target add wasm32-unknown-unknown"), "{help}");
    }
}
