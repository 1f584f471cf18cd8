//! Writes what components say of themselves: `describe FILE.wasm…` makes `FILE.manifest.json` beside each file that has
//! none that fits it. Used when Palisade is built, so that the manifests of its own components are constants.
//!
//!     cargo run --release -p palisade-sandbox --example describe -- target/plugins/personal_data.wasm
#![expect(clippy::print_stderr, reason = "a tool for the build talks")]

use palisade_model::Digest;
use palisade_sandbox::{Compiling, Sandbox, Settings, describe};
use serde_json::{Value, json};
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

fn main() -> ExitCode {
    let files: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let describe_all = || -> Result<(), Box<dyn Error>> {
        let sandbox = Sandbox::new(Settings::default())?;
        files.iter().try_for_each(|file| {
            describe_one(&sandbox, file).map_err(|error| format!("{}: {error}", file.display()).into())
        })
    };
    match describe_all() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn describe_one(sandbox: &Sandbox, file: &Path) -> Result<(), Box<dyn Error>> {
    let (bytes, to) = (fs::read(file)?, file.with_extension("manifest.json"));
    let digest = Digest::of(&bytes);
    let known: Value = fs::read(&to).ok().and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default();
    if known.get("digest") == Some(&json!(digest)) {
        return Ok(());
    }
    let loaded = sandbox.load(&digest, || Ok(bytes), Compiling::InPlace, None)?;
    let manifest = describe(&loaded.prepared).map_err(|error| {
        let rules = match &error {
            palisade_sandbox::DescribeError::Rules(rules) => rules.iter().map(|rule| format!("\n  - {rule}")).collect(),
            _ => String::new(),
        };
        format!("{error}{rules}")
    })?;
    fs::write(to, serde_json::to_vec_pretty(&json!({"digest": digest, "manifest": manifest}))?)?;
    Ok(())
}
