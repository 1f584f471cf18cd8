//! Owns the cargo command that builds guests: flags, paths that must not leak, what comes out.
//!
//! Never looks at what the guests do.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde::Deserialize;

use crate::{BuiltGuest, ComponentError, Environment, TARGET, Toolchain, componentise};

/// Stack of a guest. With the linker's 1 MiB every instance starts with 1,088 KiB of memory; with this one 192 KiB, and
/// two and a half times as many instances per second can be started (docs/design).
const STACK_BYTES: u32 = 128 << 10;

/// What the symbol file is made from, whatever the project's profile says. It is stripped from the component.
const SYMBOL_SETTINGS: [&str; 2] = ["profile.release.debug=\"line-tables-only\"", "profile.release.strip=\"none\""];

/// Most bytes of cargo's messages that an error keeps, from the end.
const MAX_STDERR_BYTES: usize = 256 << 10;

/// What becomes of what cargo tells people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CargoOutput {
    /// It goes to this process's stderr.
    Show,
    /// It is kept for the error.
    Keep,
}

/// What to build.
#[derive(Debug, Clone)]
pub struct BuildRequest<'a> {
    /// `Cargo.toml` of the project or workspace.
    pub manifest: &'a Path,
    /// Packages, each with a `cdylib`; built by one cargo command.
    pub packages: &'a [&'a str],
    /// Cargo's target folder. Guests and hosts must not share one.
    pub target_dir: &'a Path,
    /// Whether the lock file has to be there and up to date.
    pub locked: bool,
    /// What becomes of what cargo tells people.
    pub output: CargoOutput,
}

/// Why guests could not be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// A path of the request does not exist.
    #[error("can't open {}", path.display())]
    Path {
        /// The path.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Cargo can't be started.
    #[error("can't run cargo")]
    Start(#[source] io::Error),
    /// Cargo failed.
    #[error("cargo failed: {command}\n{stderr}")]
    Cargo {
        /// The command line.
        command: String,
        /// What cargo said, if it was not shown already.
        stderr: String,
    },
    /// A package was built but made no wasm module.
    #[error("package `{package}` makes no wasm module")]
    NoModule {
        /// The package.
        package: String,
    },
    /// The module is not a component of the plugin interface.
    #[error("package `{package}` makes no component")]
    Component {
        /// The package.
        package: String,
        /// Why.
        source: ComponentError,
    },
}

impl BuildError {
    /// Says what to do about it, if the kit knows.
    pub fn help(&self) -> Option<&'static str> {
        match self {
            Self::NoModule { .. } => Some("a plugin's Cargo.toml needs: [lib] crate-type = [\"cdylib\"]"),
            Self::Component { source: ComponentError::NoInterface, .. } => {
                Some("a plugin's lib.rs needs: palisade_sdk::export!(YourAnalyser);")
            }
            Self::Cargo { stderr, .. } if stderr.contains("--locked") => {
                Some("the lock file is out of date: run `cargo update --workspace` and look at the difference")
            }
            Self::Cargo { stderr, .. } if stderr.contains("download") || stderr.contains("registry") => {
                Some("cargo needs the network once, to fetch dependencies; later builds do without")
            }
            _ => None,
        }
    }
}

/// Builds one guest. See [`build_guests`].
pub fn build_guest(
    environment: &Environment,
    toolchain: &Toolchain,
    manifest: &Path,
    package: &str,
    target_dir: &Path,
    output: CargoOutput,
) -> Result<BuiltGuest, BuildError> {
    let request = BuildRequest { manifest, packages: &[package], target_dir, locked: false, output };
    let mut built = build_guests(environment, toolchain, &request)?;
    built.pop().ok_or_else(|| BuildError::NoModule { package: package.to_owned() })
}

/// Builds guests with one cargo command and makes components of them, in the order of the request.
///
/// The bytes depend on sources, lock file and compiler alone: flags and profiles of the caller are ignored, and the names
/// of the project's folder, home, cargo's and rustup's home and the sysroot are replaced.
///
/// Fails if cargo does, with what it said, or if a module does not fit the plugin interface.
pub fn build_guests(
    environment: &Environment,
    toolchain: &Toolchain,
    request: &BuildRequest<'_>,
) -> Result<Vec<BuiltGuest>, BuildError> {
    let mut command = cargo_command(environment, toolchain, request)?;
    let modules = run_cargo(&mut command, request.output)?;
    request
        .packages
        .iter()
        .map(|package| {
            let path = modules.get(*package).ok_or_else(|| BuildError::NoModule { package: (*package).to_owned() })?;
            let core = fs::read(path).map_err(|source| BuildError::Path { path: path.clone(), source })?;
            componentise(package, core)
                .map_err(|source| BuildError::Component { package: (*package).to_owned(), source })
        })
        .collect()
}

fn cargo_command(
    environment: &Environment,
    toolchain: &Toolchain,
    request: &BuildRequest<'_>,
) -> Result<Command, BuildError> {
    let manifest = absolute(request.manifest)?;
    let project = manifest.parent().unwrap_or(Path::new("/"));
    fs::create_dir_all(request.target_dir)
        .map_err(|source| BuildError::Path { path: request.target_dir.to_owned(), source })?;
    let target_dir = absolute(request.target_dir)?;
    let mut command = environment.command(&environment.cargo);
    // The project's folder decides which configuration of cargo holds, not the caller's.
    command.current_dir(project);
    command.args(["build", "--release", "--target", TARGET, "--message-format", "json-render-diagnostics"]);
    command.arg("--manifest-path").arg(&manifest).arg("--target-dir").arg(&target_dir);
    for setting in SYMBOL_SETTINGS {
        command.args(["--config", setting]);
    }
    if request.locked {
        command.arg("--locked");
    }
    for package in request.packages {
        command.args(["--package", package]);
    }
    let (sysroot, linker) = match toolchain {
        Toolchain::Sysroot { sysroot, linker } => (sysroot, linker.as_ref()),
        Toolchain::Debian { rustc, sysroot, linker } => {
            // Debian's compiler is a stable one; building `std` from its sources is behind this switch.
            command.env_remove("RUSTUP_TOOLCHAIN").env("RUSTC_BOOTSTRAP", "1").env("RUSTC", rustc);
            command.arg("-Zbuild-std=std,panic_abort");
            (sysroot, Some(linker))
        }
    };
    if let Some(linker) = linker {
        command.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker);
    }
    command.env("CARGO_ENCODED_RUSTFLAGS", rustflags(environment, sysroot, project, &target_dir));
    Ok(command)
}

/// Writes the compiler's flags as cargo wants them in `CARGO_ENCODED_RUSTFLAGS`, where spaces need no quoting.
fn rustflags(environment: &Environment, sysroot: &Path, project: &Path, target_dir: &Path) -> OsString {
    let mut flags: Vec<OsString> =
        vec![format!("-Clink-arg=-zstack-size={STACK_BYTES}").into(), "-Ctarget-feature=+simd128".into()];
    let sources = sysroot.join("lib/rustlib/src/rust");
    let mut folders: Vec<(PathBuf, &str)> = Vec::new();
    for (folder, name) in environment.private_folders() {
        folders.push((folder.to_owned(), name));
    }
    folders.extend([
        (sysroot.to_owned(), "/rust"),
        (sources, "/rust"),
        (project.to_owned(), "/plugin"),
        (target_dir.to_owned(), "/target"),
    ]);
    for (folder, name) in folders {
        // A folder may be known to the compiler by its real name or by that of a link.
        let real = fs::canonicalize(&folder).ok().filter(|real| *real != folder);
        for folder in [Some(folder), real].into_iter().flatten() {
            let mut flag = OsString::from("--remap-path-prefix=");
            flag.push(folder);
            flag.push("=");
            flag.push(name);
            flags.push(flag);
        }
    }
    flags.join("\u{1f}".as_ref())
}

/// What cargo prints about a finished crate; other messages lack the fields.
#[derive(Deserialize)]
struct Message<'a> {
    reason: &'a str,
    package_id: Option<String>,
    #[serde(default)]
    filenames: Vec<PathBuf>,
}

/// Runs cargo. Returns the wasm module of each package that makes one.
fn run_cargo(command: &mut Command, output: CargoOutput) -> Result<BTreeMap<String, PathBuf>, BuildError> {
    command.stdin(Stdio::null());
    if output == CargoOutput::Show {
        command.stderr(Stdio::inherit());
    }
    let finished = command.output().map_err(BuildError::Start)?;
    if !finished.status.success() {
        let tail = finished.stderr.get(finished.stderr.len().saturating_sub(MAX_STDERR_BYTES)..).unwrap_or_default();
        let stderr = String::from_utf8_lossy(tail).into_owned();
        return Err(BuildError::Cargo { command: command_line(command), stderr });
    }
    Ok(finished.stdout.split(|byte| *byte == b'\n').filter_map(module_of).collect())
}

/// Reads one line of cargo's messages: package and wasm module, if it tells of one.
fn module_of(line: &[u8]) -> Option<(String, PathBuf)> {
    let message: Message<'_> = serde_json::from_slice(line).ok()?;
    let path = message.filenames.into_iter().find(|path| path.extension().is_some_and(|end| end == "wasm"))?;
    (message.reason == "compiler-artifact").then_some(())?;
    Some((package_name(&message.package_id?)?.to_owned(), path))
}

/// Reads the name in a package id: `path+file:///a/hello#0.1.0` or `path+file:///a/b#hello@0.1.0`.
fn package_name(id: &str) -> Option<&str> {
    let (url, fragment) = id.rsplit_once('#')?;
    match fragment.split_once('@') {
        Some((name, _)) => Some(name),
        None => url.rsplit('/').next(),
    }
}

fn command_line(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

fn absolute(path: &Path) -> Result<PathBuf, BuildError> {
    fs::canonicalize(path).map_err(|source| BuildError::Path { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_is_found_by_its_package() {
        let artifact = br#"{"reason":"compiler-artifact","package_id":"path+file:///a/my-plugin#0.1.0","filenames":["/t/my_plugin.wasm"]}"#;
        assert_eq!(module_of(artifact), Some(("my-plugin".to_owned(), "/t/my_plugin.wasm".into())));
        let named = br#"{"reason":"compiler-artifact","package_id":"path+file:///a/b#c@0.1.0","filenames":["/t/c.rlib","/t/c.wasm"]}"#;
        assert_eq!(module_of(named), Some(("c".to_owned(), "/t/c.wasm".into())));
        assert_eq!(module_of(br#"{"reason":"build-finished","success":true}"#), None);
        assert_eq!(module_of(b""), None);
    }

    #[test]
    fn no_private_folder_is_left_out_of_the_flags() {
        let environment = Environment {
            cargo: "cargo".into(),
            rustc: "rustc".into(),
            home: Some("/h".into()),
            cargo_home: Some("/h/.cargo".into()),
            rustup_home: Some("/h/.rustup".into()),
            rustup: "rustup".into(),
            system_programs: "/usr/bin".into(),
        };
        let flags = rustflags(&environment, Path::new("/sys"), Path::new("/h/p"), Path::new("/h/p/target"));
        let flags: Vec<_> = flags.to_str().unwrap().split('\u{1f}').collect();
        assert_eq!(
            flags,
            [
                "-Clink-arg=-zstack-size=131072",
                "-Ctarget-feature=+simd128",
                "--remap-path-prefix=/h=/home",
                "--remap-path-prefix=/h/.rustup=/rustup",
                "--remap-path-prefix=/h/.cargo=/cargo",
                "--remap-path-prefix=/sys=/rust",
                "--remap-path-prefix=/sys/lib/rustlib/src/rust=/rust",
                "--remap-path-prefix=/h/p=/plugin",
                "--remap-path-prefix=/h/p/target=/target",
            ]
        );
    }
}
