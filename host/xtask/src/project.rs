//! Owns where things are: the project's root, its target folder, the guest workspace.

use std::{
    env,
    path::{Path, PathBuf},
};

use anyhow::Context;
use palisade_kit::Environment;

/// The project and the process around it.
pub(crate) struct Project {
    /// The folder of the host workspace.
    pub(crate) root: PathBuf,
    /// Cargo's target folder of the host workspace.
    pub(crate) host_target: PathBuf,
    /// What builds use.
    pub(crate) environment: Environment,
}

impl Project {
    /// Finds the project that this program was built from.
    pub(crate) fn find() -> anyhow::Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).context("xtask has left its workspace")?;
        let host_target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
        Ok(Self { root: root.to_owned(), host_target, environment: Environment::of_process() })
    }

    /// The manifest of the guest workspace.
    pub(crate) fn guest_manifest(&self) -> PathBuf {
        self.root.join("plugins/Cargo.toml")
    }

    /// Cargo's target folder of the guest workspace. Never the host's: the two are built by different compilers.
    pub(crate) fn guest_target(&self) -> PathBuf {
        self.root.join("plugins/target")
    }

    /// The folder in which finished components of one sort lie. Always below the root: builds and tests look there.
    pub(crate) fn components(&self, sort: &str) -> PathBuf {
        self.root.join("target").join(sort)
    }

    /// The command line tool.
    pub(crate) fn palisade(&self) -> PathBuf {
        self.host_target.join("release/palisade")
    }
}
