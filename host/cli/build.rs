//! Puts the first-party components, the plugin SDK and the interface into the binary, so that an installed `palisade`
//! needs no build tree. Plain `cargo build` works before any guest is built: the list is empty then, and `palisade
//! doctor` says so.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let crate_dir = PathBuf::from(env::var("CARGO_MANIFEST_DIR").map_err(io::Error::other)?);
    let out_dir = PathBuf::from(env::var("OUT_DIR").map_err(io::Error::other)?);
    let root = crate_dir.join("../..").canonicalize()?;
    fs::write(out_dir.join("first_party.rs"), first_party(&root.join("target/plugins"))?)?;
    fs::write(out_dir.join("sdk.rs"), sdk(&root)?)
}

/// One entry for each component that has its manifest beside it.
fn first_party(dir: &Path) -> io::Result<String> {
    // The folder and not its parent, so that other builds below `target` do not count as changes.
    emit(&format!("rerun-if-changed={}", dir.display()));
    let mut list = String::from("&[\n");
    for wasm in files_below(dir)?.into_iter().filter(|path| path.to_string_lossy().ends_with(".wasm")) {
        let manifest = wasm.with_extension("manifest.json");
        let name = wasm.file_stem().unwrap_or_default();
        if manifest.is_file() {
            emit(&format!("rerun-if-changed={}", wasm.display()));
            emit(&format!("rerun-if-changed={}", manifest.display()));
            let entry = format!(
                "    FirstParty {{ name: {name:?}, wasm: include_bytes!({wasm:?}), manifest: include_str!({manifest:?}) }},"
            );
            writeln!(list, "{entry}").map_err(io::Error::other)?;
        }
    }
    Ok(list + "]\n")
}

/// Path below the unpacked SDK and content of each of its files.
fn sdk(root: &Path) -> io::Result<String> {
    let mut list = String::from("&[\n");
    for (folder, to) in [("plugins/sdk/src", "src"), ("plugins/sdk/Cargo.toml", "Cargo.toml"), ("wit", "wit")] {
        let from = root.join(folder);
        emit(&format!("rerun-if-changed={}", from.display()));
        for file in files_below(&from)? {
            let below = file.strip_prefix(&from).map_err(io::Error::other)?;
            let name = if below.as_os_str().is_empty() { PathBuf::from(to) } else { Path::new(to).join(below) };
            writeln!(list, "    ({name:?}, include_str!({file:?})),").map_err(io::Error::other)?;
        }
    }
    Ok(list + "]\n")
}

/// All files below a folder, or the file itself, in a fixed order; none if it is not there.
fn files_below(path: &Path) -> io::Result<Vec<PathBuf>> {
    if path.is_file() {
        return Ok(vec![path.to_owned()]);
    }
    if !path.is_dir() {
        return Ok(Vec::new());
    }
    let mut entries =
        fs::read_dir(path)?.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<Vec<_>>>()?;
    entries.sort();
    let mut files = Vec::new();
    for entry in entries {
        files.extend(files_below(&entry)?);
    }
    Ok(files)
}

fn emit(instruction: &str) {
    println!("cargo::{instruction}");
}
