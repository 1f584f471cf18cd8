//! The folder of a plugin: its SDK, its package, building it and having it checked.

use crate::args::PluginAt;
use crate::commands::Context;
use crate::component_check::{self, Checked};
use crate::embedded::SDK;
use crate::exit_code::ExitCode;
use crate::failure::CliError;
use crate::output;
use crate::person;
use crate::render::console;
use palisade_kit::{
    BuildError, CargoOutput, Environment, GuestsError, TARGET, Toolchain, add_rustup_target, build_guest, inspect,
    list_guests,
};
use palisade_model::unit::Count;
use palisade_sandbox::{Sandbox, Settings, Symbols};
use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// The folder of the unpacked SDK below the plugin's.
const SDK_FOLDER: &str = "palisade-sdk";
/// Cargo's folder for the guest's build; `target` itself is that of native tests.
const TARGET_FOLDER: &str = "target/plugin";

/// A folder with a plugin.
#[derive(Debug)]
pub(super) struct Project {
    /// The folder.
    pub(super) root: PathBuf,
    package: String,
    environment: Environment,
}

/// A plugin that was built and passed the checks of `component add`.
#[derive(Debug)]
pub(super) struct Built {
    /// The sandbox in which it was checked.
    pub(super) sandbox: Sandbox,
    /// What it is; its stack traces name functions and lines.
    pub(super) checked: Checked,
    /// Its bytes.
    pub(super) bytes: u64,
    /// The component.
    pub(super) file: PathBuf,
    /// Its symbols.
    pub(super) symbols: PathBuf,
}

impl Project {
    /// Opens a plugin's folder and brings its SDK up to date.
    ///
    /// # Errors
    /// When it holds no package that makes a component.
    pub(super) fn open(context: &Context, at: &PluginAt) -> Result<Self, CliError> {
        let shown = at.dir.display();
        let folder = context.settings.working_dir.join(&at.dir);
        let manifest = folder.join("Cargo.toml");
        let text = fs::read_to_string(&manifest).map_err(|error| {
            CliError::usage(format!("{shown} holds no plugin: Cargo.toml can't be read: {error}"))
                .help("`palisade plugin new NAME` makes one; --dir names the folder of another")
        })?;
        let root =
            folder.canonicalize().map_err(|error| CliError::usage(format!("{shown} can't be opened: {error}")))?;
        if uses_unpacked_sdk(&text) {
            let changed = unpack_sdk(&root)?;
            if changed > 0 {
                console::err(&format!("brought {} of {SDK_FOLDER}/ up to date\n", Count(changed as u64).of("file")));
            }
        }
        let environment = Environment::of_process();
        let guests = list_guests(&environment, &manifest).map_err(|error| {
            let told = CliError::from_error(ExitCode::Usage, &error);
            match error {
                GuestsError::Start(_) => told.help("plugins are built with Rust 1.95 or newer: https://rustup.rs"),
                _ => told,
            }
        })?;
        let guest = guests.into_iter().find(|guest| guest.folder == root).ok_or_else(|| {
            CliError::usage(format!("the package in {shown} makes no component"))
                .help("its Cargo.toml needs: [lib] crate-type = [\"cdylib\"]")
        })?;
        Ok(Self { root, package: guest.name, environment })
    }

    /// Builds the component, writes it and its symbols beside `Cargo.toml`, and checks it as `component add` does.
    ///
    /// # Errors
    /// When there is no toolchain, cargo fails, or the component breaks a rule.
    pub(super) fn build(&self, install_target: bool) -> Result<Built, CliError> {
        let toolchain = self.toolchain(install_target)?;
        let (manifest, target) = (self.root.join("Cargo.toml"), self.root.join(TARGET_FOLDER));
        let guest = build_guest(&self.environment, &toolchain, &manifest, &self.package, &target, CargoOutput::Show)
            .map_err(not_built)?;
        let file = self.root.join(format!("{}.wasm", self.package));
        let symbols = file.with_extension("symbols.wasm");
        for (path, bytes) in [(&file, &guest.component), (&symbols, &guest.symbols)] {
            output::file(path, |out| Ok(out.write_all(bytes)?))?;
            // Private by default, as results are; this is like any other output of a build.
            fs::set_permissions(path, fs::Permissions::from_mode(0o644))
                .map_err(|error| CliError::new(ExitCode::Failed, format!("{}: {error}", path.display())))?;
        }
        let sandbox = Sandbox::new(Settings::default()).map_err(|error| CliError::from_error(ExitCode::Bug, &error))?;
        let mut checked = component_check::check_in(&sandbox, &self.package, &guest.component)?;
        let module = guest.symbols;
        checked.prepared = checked.prepared.with_symbols(Symbols::new(move || Some(module.clone())));
        Ok(Built { sandbox, checked, bytes: guest.component.len() as u64, file, symbols })
    }

    /// Finds a compiler for guests. Only who agrees, by the flag or when asked, gets one from rustup.
    fn toolchain(&self, install_target: bool) -> Result<Toolchain, CliError> {
        let mut report = inspect(&self.environment);
        if report.toolchain.is_none()
            && report.has_rustup
            && (install_target
                || person::agrees(&format!(
                    "There is no compiler for plugins. Let rustup download the target {TARGET}?"
                )))
        {
            console::err(&format!("+ rustup target add {TARGET}\n"));
            add_rustup_target(&self.environment).map_err(|error| CliError::from_error(ExitCode::Failed, &error))?;
            report = inspect(&self.environment);
        }
        let help = report.help();
        report.toolchain.ok_or_else(|| {
            CliError::usage(format!("found no Rust compiler that can build for {TARGET}"))
                .help(format!("{help}\nor let this command do the latter: --install-target\n`palisade doctor` shows what was looked for"))
        })
    }
}

fn not_built(error: BuildError) -> CliError {
    let told = match &error {
        // What is wrong was shown already.
        BuildError::Cargo { stderr, .. } if stderr.is_empty() => {
            CliError::new(ExitCode::Failed, "the plugin was not built: cargo failed, see above")
        }
        _ => CliError::from_error(ExitCode::Failed, &error),
    };
    match error.help() {
        Some(help) => told.help(help),
        None => told,
    }
}

/// Whether a `Cargo.toml` takes the SDK from the folder into which it is unpacked.
fn uses_unpacked_sdk(manifest: &str) -> bool {
    let Ok(manifest) = toml::from_str::<toml::Table>(manifest) else { return false };
    let path = manifest.get("dependencies").and_then(|all| all.get("palisade-sdk")).and_then(|sdk| sdk.get("path"));
    path.and_then(toml::Value::as_str).is_some_and(|path| path.trim_end_matches('/') == SDK_FOLDER)
}

/// Makes the SDK below `root` that of this binary: other contents are replaced, other files in its folders are removed.
/// Gives the number of files that were not as they should be.
///
/// # Errors
/// When a file can't be written.
pub(super) fn unpack_sdk(root: &Path) -> Result<usize, CliError> {
    let sdk = root.join(SDK_FOLDER);
    unpack(&sdk, SDK)
        .map_err(|error| CliError::new(ExitCode::Failed, format!("{} can't be written: {error}", sdk.display())))
}

fn unpack(sdk: &Path, files: &[(&str, &str)]) -> std::io::Result<usize> {
    let wanted: BTreeSet<PathBuf> = files.iter().map(|(path, _)| sdk.join(path)).collect();
    let mut changed = 0;
    // A file that is too much would be read: an interface of another version, for one.
    for folder in ["src", "wit"] {
        for extra in files_below(&sdk.join(folder))?.into_iter().filter(|path| !wanted.contains(path)) {
            fs::remove_file(extra)?;
            changed += 1;
        }
    }
    for (path, content) in files {
        let path = sdk.join(path);
        if fs::read(&path).is_ok_and(|known| known == content.as_bytes()) {
            continue;
        }
        path.parent().map_or(Ok(()), fs::create_dir_all)?;
        fs::write(path, content)?;
        changed += 1;
    }
    Ok(changed)
}

fn files_below(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(files),
        Err(error) => return Err(error),
    };
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            files.extend(files_below(&entry.path())?);
        } else {
            files.push(entry.path());
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_binary_brings_a_whole_sdk() {
        let has = |wanted: &str| SDK.iter().any(|(path, _)| *path == wanted);
        for file in ["Cargo.toml", "src/lib.rs", "src/host/guest.rs", "wit/palisade.wit", "wit/deps/filesystem.wit"] {
            assert!(has(file), "{file}");
        }
    }

    #[test]
    fn the_sdk_is_brought_up_to_date_and_no_more() {
        let dir = tempfile::tempdir().unwrap();
        let files = [("Cargo.toml", "c"), ("src/lib.rs", "l"), ("wit/deps/io.wit", "i")];
        assert_eq!(unpack(dir.path(), &files).unwrap(), 3);
        assert_eq!(unpack(dir.path(), &files).unwrap(), 0);
        fs::write(dir.path().join("src/lib.rs"), "other").unwrap();
        fs::write(dir.path().join("wit/deps/old.wit"), "old").unwrap();
        fs::write(dir.path().join("notes.md"), "mine").unwrap();
        assert_eq!(unpack(dir.path(), &files).unwrap(), 2);
        assert!(!dir.path().join("wit/deps/old.wit").exists());
        assert!(dir.path().join("notes.md").exists());
    }

    #[test]
    fn only_who_uses_the_unpacked_sdk_gets_one() {
        assert!(uses_unpacked_sdk("[dependencies]\npalisade-sdk = { path = \"palisade-sdk\" }\n"));
        assert!(!uses_unpacked_sdk("[dependencies]\npalisade-sdk = { path = \"../sdk\" }\n"));
        assert!(!uses_unpacked_sdk("[dependencies]\npalisade-sdk.workspace = true\n"));
        assert!(!uses_unpacked_sdk("not toml ["));
    }
}
