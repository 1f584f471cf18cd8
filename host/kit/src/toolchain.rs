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

/// The oldest release of Debian's compiler that guests can be built with, as their `rust-version` says. Cargo itself
/// checks the one that the user has chosen.
const OLDEST_RELEASE: (u32, u32) = (1, 95);

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
    /// The Debian package of the linker for wasm, if none is there.
    pub missing_linker: Option<String>,
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
        let linker = self.missing_linker.iter().map(String::as_str);
        let packages = DEBIAN_PACKAGES.into_iter().chain(linker).collect::<Vec<_>>().join(" ");
        format!(
            "on Debian, as root: apt-get update && apt-get install -y {packages}\nwith rustup: rustup target add {TARGET}"
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

/// Finds the first complete way to build guests: the target in the sysroot of the chosen compiler, else Debian's
/// compiler with the sources of `std`. Asks `rustc` for its sysroot; fails with everything that was looked for.
pub fn find(environment: &Environment) -> Result<Toolchain, FindError> {
    let mut report = inspect(environment);
    report.toolchain.take().ok_or(FindError::None { report })
}

/// Looks for everything and says what is there.
pub fn inspect(environment: &Environment) -> Report {
    let chosen = sysroot_of(environment, environment.rustc.as_ref());
    let debian_rustc = environment.system_programs.join("rustc");
    let debian_version = version_of(environment, &debian_rustc);
    let debian = debian_version.filter(|version| version.release >= OLDEST_RELEASE);
    let debian = debian.and_then(|_| sysroot_of(environment, &debian_rustc));
    let llvm = debian_version.map_or(0, |version| version.llvm);
    let linker = find_linker(environment, llvm);
    let std_sources = debian.as_deref().map(|sysroot| sysroot.join("lib/rustlib/src/rust/library"));
    let has_target = chosen.as_deref().is_some_and(has_target);
    let has_sources = std_sources.as_deref().is_some_and(|library| library.join("std/Cargo.toml").is_file());
    // Before the compiler is there, the default one is the best guess.
    let fitting = || if debian.is_some() { format!("lld-{llvm}") } else { "lld".to_owned() };
    let missing_linker = linker.is_none().then(fitting);

    let findings = vec![
        Finding {
            what: "target in the sysroot",
            found: has_target,
            detail: match &chosen {
                Some(sysroot) => sysroot.join("lib/rustlib").join(TARGET).display().to_string(),
                None => "no `rustc` on the path".to_owned(),
            },
        },
        Finding {
            what: "Debian's rustc",
            found: debian.is_some(),
            detail: format!(
                "{} {}.{} or newer (rustc-web)",
                debian_rustc.display(),
                OLDEST_RELEASE.0,
                OLDEST_RELEASE.1
            ),
        },
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
    let toolchain = match (chosen.filter(|_| has_target), debian.filter(|_| has_sources), linker) {
        (Some(sysroot), _, linker) => {
            let own = lld_of_sysroot(&sysroot).is_some();
            Some(Toolchain::Sysroot { sysroot, linker: linker.filter(|_| !own) })
        }
        (None, Some(sysroot), Some(linker)) => Some(Toolchain::Debian { rustc: debian_rustc, sysroot, linker }),
        _ => None,
    };
    Report { findings, toolchain, has_rustup: has_rustup(environment), missing_linker }
}

/// Asks a compiler where its sysroot is. `None` if it can't be run.
fn sysroot_of(environment: &Environment, rustc: &Path) -> Option<PathBuf> {
    let output = environment.command(rustc).args(["--print", "sysroot"]).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let sysroot = text.trim_end();
    (output.status.success() && !sysroot.is_empty()).then(|| PathBuf::from(sysroot))
}

/// Of what release a compiler is, and of what LLVM.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Version {
    release: (u32, u32),
    llvm: u32,
}

/// Asks a compiler what it is. `None` if it can't be run or says nothing of it.
fn version_of(environment: &Environment, rustc: &Path) -> Option<Version> {
    let output = environment.command(rustc).arg("-vV").output().ok()?;
    version_in(std::str::from_utf8(&output.stdout).ok()?)
}

/// Reads what `rustc -vV` says.
fn version_in(text: &str) -> Option<Version> {
    let numbers = |what: &str| {
        let mut numbers = text.lines().find_map(|line| line.strip_prefix(what))?.split('.');
        Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
    };
    Some(Version { release: numbers("release: ")?, llvm: numbers("LLVM version: ")?.0 })
}

fn has_target(sysroot: &Path) -> bool {
    names_in(&sysroot.join("lib/rustlib").join(TARGET).join("lib"))
        .iter()
        .filter_map(|path| path.file_name()?.to_str())
        .any(|name| name.starts_with("libstd-") && name.ends_with(".rlib"))
}

fn has_rustup(environment: &Environment) -> bool {
    environment.command(&environment.rustup).arg("--version").output().is_ok_and(|output| output.status.success())
}

/// Finds a linker for wasm: `rust-lld` of any rustup toolchain, else LLVM's from Debian, the newest first. One that is
/// older than the compiler's LLVM does not read what it writes.
fn find_linker(environment: &Environment, llvm: u32) -> Option<PathBuf> {
    let toolchains = environment.rustup_home.as_deref().map(|home| names_in(&home.join("toolchains")));
    if let Some(linker) = toolchains.unwrap_or_default().iter().find_map(|sysroot| lld_of_sysroot(sysroot)) {
        return Some(linker);
    }
    let mut linkers: Vec<_> = names_in(&environment.system_programs)
        .into_iter()
        .filter_map(|path| {
            let version = path.file_name()?.to_str()?.strip_prefix("wasm-ld")?;
            // One without a version will do for a compiler that is not Debian's.
            let version = if version.is_empty() { 0 } else { version.strip_prefix('-')?.parse().ok()? };
            // Follows links: a package may ship one to another that it only suggests.
            (version >= llvm && path.is_file()).then_some((version, path))
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
    use crate::add_rustup_target;

    /// A machine below `folder`: nothing of the real one is looked at.
    fn environment(folder: &Path) -> Environment {
        Environment {
            cargo: "cargo".into(),
            rustc: folder.join("rustc").into(),
            home: None,
            cargo_home: None,
            rustup_home: Some(folder.join("rustup")),
            rustup: folder.join("rustup/bin/rustup").into(),
            system_programs: folder.join("usr/bin"),
        }
    }

    /// Makes a `rustc` that knows nothing but its sysroot and its version.
    fn fake_rustc(path: &Path, sysroot: &Path, release: &str) {
        let sysroot = sysroot.display();
        let version = format!("echo release: {release}; echo LLVM version: 22.1.8");
        program(path, &format!("case $1 in -vV) {version};; *) echo '{sysroot}';; esac"));
    }

    fn program(path: &Path, script: &str) {
        use std::os::unix::fs::PermissionsExt;
        touch(path);
        fs::write(path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn touch(path: &Path) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "").unwrap();
    }

    const LIBSTD: &str = "lib/rustlib/wasm32-unknown-unknown/lib/libstd-0123.rlib";

    #[test]
    fn the_target_in_the_sysroot_comes_first() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        fake_rustc(&root.join("rustc"), root, "1.95.0");
        fake_debian(root, "1.96.0");
        touch(&root.join(LIBSTD));
        touch(&root.join("lib/rustlib/x86_64-unknown-linux-gnu/bin/rust-lld"));
        let found = find(&environment(root)).unwrap();
        assert_eq!(found, Toolchain::Sysroot { sysroot: root.to_owned(), linker: None });
    }

    #[test]
    fn a_target_without_std_does_not_count() {
        let folder = tempfile::tempdir().unwrap();
        fake_rustc(&folder.path().join("rustc"), folder.path(), "1.95.0");
        touch(&folder.path().join("lib/rustlib/wasm32-unknown-unknown/lib/libcore-0123.rlib"));
        let report = inspect(&environment(folder.path()));
        assert!(!report.findings[0].found, "{report}");
    }

    #[test]
    fn a_linker_is_found_in_any_rustup_toolchain() {
        let folder = tempfile::tempdir().unwrap();
        let lld = folder.path().join("rustup/toolchains/nightly/lib/rustlib/x86_64-unknown-linux-gnu/bin/rust-lld");
        touch(&lld);
        assert_eq!(find_linker(&environment(folder.path()), 22), Some(lld));
    }

    /// Debian's compiler and sources; no linker.
    fn fake_debian(root: &Path, release: &str) {
        fake_rustc(&root.join("usr/bin/rustc"), &root.join("usr"), release);
        touch(&root.join("usr/lib/rustlib/src/rust/library/std/Cargo.toml"));
    }

    #[test]
    fn debians_compiler_needs_a_linker_that_is_not_older() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        fake_debian(root, "1.96.0");
        touch(&root.join("usr/bin/wasm-ld-21"));
        let FindError::None { report } = find(&environment(root)).unwrap_err();
        assert_eq!(report.missing_linker.as_deref(), Some("lld-22"), "{report}");
        touch(&root.join("usr/bin/wasm-ld-22"));
        let (rustc, linker) = (root.join("usr/bin/rustc"), root.join("usr/bin/wasm-ld-22"));
        assert_eq!(find(&environment(root)).unwrap(), Toolchain::Debian { rustc, sysroot: root.join("usr"), linker });
    }

    #[test]
    fn debians_compiler_must_not_be_too_old() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        touch(&root.join("usr/bin/wasm-ld-22"));
        fake_debian(root, "1.94.1");
        assert!(find(&environment(root)).is_err());
        fake_debian(root, "1.95.0");
        assert!(find(&environment(root)).is_ok());
    }

    #[test]
    fn what_is_missing_is_said_for_debian_and_for_rustup() {
        let folder = tempfile::tempdir().unwrap();
        let error = find(&environment(folder.path())).unwrap_err();
        assert_eq!(error.to_string(), "found no Rust compiler that can build for wasm32-unknown-unknown");
        let (debian, rustup) = (
            "on Debian, as root: apt-get update && apt-get install -y rustc-web rust-web-src lld",
            "with rustup: rustup target add wasm32-unknown-unknown",
        );
        assert_eq!(error.help(), format!("{debian}\n{rustup}"));
        let FindError::None { report } = error;
        assert!(!report.has_rustup && report.findings.iter().all(|finding| !finding.found), "{report}");
    }

    #[test]
    fn rustup_adds_the_target_and_tells_why_it_could_not() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let environment = environment(root);
        fake_rustc(&root.join("rustc"), root, "1.95.0");
        program(&root.join("rustup/bin/rustup"), "echo 'error: no network' >&2; exit 1");
        let error = add_rustup_target(&environment).unwrap_err();
        assert!(error.to_string().ends_with("error: no network\n"), "{error}");

        let libstd = root.join(LIBSTD);
        let add = format!("mkdir -p '{}' && : > '{}'", libstd.parent().unwrap().display(), libstd.display());
        let script = format!("case \"$*\" in --version) ;; 'target add {TARGET}') {add};; *) exit 1;; esac");
        program(&root.join("rustup/bin/rustup"), &script);
        let report = inspect(&environment);
        assert!(report.has_rustup && report.toolchain.is_none(), "{report}");
        add_rustup_target(&environment).unwrap();
        assert!(matches!(find(&environment), Ok(Toolchain::Sysroot { .. })));
    }

    #[test]
    fn a_compiler_says_its_release_and_its_llvm() {
        let said = "rustc 1.96.0 (hash date)\nbinary: rustc\nhost: x\nrelease: 1.96.0-nightly\nLLVM version: 22.1.8\n";
        assert_eq!(version_in(said), Some(Version { release: (1, 96), llvm: 22 }));
        assert_eq!(version_in("rustc 1.96.0"), None);
    }
}
