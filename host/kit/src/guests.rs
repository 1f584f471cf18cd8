//! Owns the list of the guests of a workspace. Never builds one.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::Environment;

/// A package that makes a component: it has a `cdylib`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Guest {
    /// Name of the package.
    pub name: String,
    /// Its folder.
    pub folder: PathBuf,
}

/// Why the guests of a workspace can't be listed.
#[derive(Debug, thiserror::Error)]
pub enum GuestsError {
    /// Cargo can't be started.
    #[error("can't run cargo")]
    Start(#[source] std::io::Error),
    /// Cargo refused.
    #[error("cargo can't read {}:\n{stderr}", manifest.display())]
    Cargo {
        /// The manifest.
        manifest: PathBuf,
        /// What it said.
        stderr: String,
    },
    /// Cargo's answer has an unknown form.
    #[error("cargo's metadata has an unknown form")]
    Form(#[source] serde_json::Error),
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    manifest_path: PathBuf,
    targets: Vec<Target>,
}

#[derive(Deserialize)]
struct Target {
    crate_types: Vec<String>,
}

/// Lists the guests of a workspace by name. `manifest` is any `Cargo.toml` of it.
pub fn list_guests(environment: &Environment, manifest: &Path) -> Result<Vec<Guest>, GuestsError> {
    let output = environment
        .command(&environment.cargo)
        .args(["metadata", "--no-deps", "--format-version", "1", "--manifest-path"])
        .arg(manifest)
        .output()
        .map_err(GuestsError::Start)?;
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(GuestsError::Cargo { manifest: manifest.to_owned(), stderr });
    }
    let metadata: Metadata = serde_json::from_slice(&output.stdout).map_err(GuestsError::Form)?;
    let is_guest =
        |package: &Package| package.targets.iter().flat_map(|target| &target.crate_types).any(|kind| kind == "cdylib");
    let mut guests: Vec<_> = metadata
        .packages
        .into_iter()
        .filter(is_guest)
        .filter_map(|package| Some(Guest { folder: package.manifest_path.parent()?.to_owned(), name: package.name }))
        .collect();
    guests.sort();
    Ok(guests)
}
