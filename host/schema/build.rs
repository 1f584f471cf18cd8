//! Lists the schemas of `/schemas` in two tables that `src/builtin.rs` includes: those of artifacts, and those of
//! Palisade's own files (`palisade.*`). Sorted, so that two builds are equal.
#![expect(clippy::disallowed_methods, reason = "a build script reads and writes files")]

use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../schemas");
    println!("cargo::rerun-if-changed={}", root.display());
    let mut files = Vec::new();
    for folder in entries(&root)?.into_iter().filter(|path| path.is_dir()) {
        files.extend(entries(&folder)?.into_iter().filter(|path| path.extension().is_some_and(|end| end == "json")));
    }
    files.sort();
    let mut artifacts = String::from("&[\n");
    let mut forms = String::from("&[\n");
    for file in files {
        let part = |path: Option<&std::ffi::OsStr>| path.map(|part| part.to_string_lossy().into_owned());
        let name = part(file.parent().and_then(Path::file_name)).unwrap_or_default();
        let version = part(file.file_stem()).unwrap_or_default();
        let path = fs::canonicalize(&file)?;
        let table = if name.starts_with("palisade.") { &mut forms } else { &mut artifacts };
        let _ =
            writeln!(table, "    ({:?}, include_str!({:?})),", format!("{name}/{version}"), path.display().to_string());
    }
    let out = env::var_os("OUT_DIR").ok_or_else(|| io::Error::other("cargo sets OUT_DIR"))?;
    fs::write(Path::new(&out).join("builtin.rs"), artifacts + "]\n")?;
    fs::write(Path::new(&out).join("forms.rs"), forms + "]\n")
}

fn entries(folder: &Path) -> io::Result<Vec<std::path::PathBuf>> {
    match fs::read_dir(folder) {
        Ok(entries) => entries.map(|entry| entry.map(|entry| entry.path())).collect(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}
