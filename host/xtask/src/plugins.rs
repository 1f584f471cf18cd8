//! Owns building guests into `target/`: the first-party components, and the guests of tests.
//!
//! A file whose bytes would not change is not touched, so that cargo does not rebuild what carries it.

use std::{
    collections::BTreeSet,
    fs,
    io::Write,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, bail};
use palisade_kit::{BuildError, BuildRequest, BuiltGuest, CargoOutput, Toolchain, build_guests, list_guests};

use crate::{
    demo,
    project::Project,
    shell::{run as run_command, timed},
};

/// Builds the first-party components (`plugins/analysers/*`) into `target/plugins`, and writes what each says of itself
/// beside it: the binary carries both.
pub(crate) fn first_party(project: &Project, toolchain: &Toolchain) -> anyhow::Result<()> {
    build(project, toolchain, &[("plugins", "plugins/analysers")])?;
    demo::build_host(project)?;
    timed("describing the components", || {
        let folder = project.components("plugins");
        let components =
            wasm_files(&folder)?.into_iter().filter(|path| !path.to_string_lossy().ends_with(".symbols.wasm"));
        run_command(Command::new(project.host_target.join("release/examples/describe")).args(components))
    })
}

/// The guests that tests run, each sort in a folder of that name below `plugins` and `target`: those that attack, the hello
/// plugin, the stepper, over which loops and maps are tried out, the reader, which has versions that ask for more or less,
/// the writer, which writes files, the delegate, an agent, the deputy, which works for it, the asker, which asks models, the
/// parrot, a planner that believes them, the fetcher, the example for web servers, and the poster, which tells one what it reads.
const OF_TESTS: [&str; 11] =
    ["hostile", "hello", "stepper", "reader", "writer", "delegate", "deputy", "asker", "parrot", "fetcher", "poster"];

/// Builds the guests that tests run, [`OF_TESTS`].
pub(crate) fn of_tests(project: &Project, toolchain: &Toolchain) -> anyhow::Result<()> {
    let folders = OF_TESTS.map(|sort| (sort, format!("plugins/{sort}")));
    build(project, toolchain, &folders.each_ref().map(|(sort, folder)| (*sort, folder.as_str())))
}

/// Builds all guests at or below these folders with one cargo command, as each alone would keep one core busy.
fn build(project: &Project, toolchain: &Toolchain, sorts: &[(&str, &str)]) -> anyhow::Result<()> {
    let named = sorts.iter().map(|(_, folder)| *folder).collect::<Vec<_>>().join(", ");
    timed(&format!("building guests of {named}"), || {
        let manifest = project.guest_manifest();
        let guests = list_guests(&project.environment, &manifest)?;
        let mut packages: Vec<Vec<&str>> = Vec::new();
        for (_, folder) in sorts {
            let folder = project.root.join(folder);
            let within = guests.iter().filter(|guest| guest.folder.starts_with(&folder));
            let names: Vec<&str> = within.map(|guest| guest.name.as_str()).collect();
            if names.is_empty() {
                bail!("{} holds no guest that plugins/Cargo.toml lists", folder.display());
            }
            packages.push(names);
        }
        let all = packages.concat();
        let request = BuildRequest {
            manifest: &manifest,
            packages: &all,
            target_dir: &project.guest_target(),
            locked: project.root.join("plugins/Cargo.lock").exists(),
            output: CargoOutput::Show,
        };
        eprintln!("+ cargo build --release ({})", all.join(", "));
        let built = build_guests(&project.environment, toolchain, &request).map_err(with_help)?;
        for ((sort, _), names) in sorts.iter().zip(&packages) {
            let of_sort = built.iter().filter(|guest| names.contains(&guest.name.as_str()));
            write_all(&project.components(sort), of_sort)?;
        }
        Ok(())
    })
}

fn with_help(error: BuildError) -> anyhow::Error {
    let help = error.help();
    let error = anyhow::Error::new(error);
    match help {
        Some(help) => anyhow::anyhow!("{error:#}\nhelp: {help}"),
        None => error,
    }
}

/// Writes components and symbol files, and removes those of guests that are gone.
fn write_all<'g>(folder: &Path, built: impl IntoIterator<Item = &'g BuiltGuest>) -> anyhow::Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("can't make {}", folder.display()))?;
    let mut wanted = BTreeSet::new();
    for guest in built {
        let component = folder.join(format!("{}.wasm", guest.name));
        let symbols = folder.join(format!("{}.symbols.wasm", guest.name));
        let changed = write_if_changed(&component, &guest.component)?;
        write_if_changed(&symbols, &guest.symbols)?;
        let size = guest.component.len().div_ceil(1 << 10);
        eprintln!("  {} ({size} KiB{})", component.display(), if changed { "" } else { ", unchanged" });
        wanted.extend([component, symbols]);
    }
    for stale in wasm_files(folder)?.difference(&wanted) {
        fs::remove_file(stale).with_context(|| format!("can't remove {}", stale.display()))?;
    }
    Ok(())
}

fn wasm_files(folder: &Path) -> anyhow::Result<BTreeSet<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| format!("can't list {}", folder.display()))?;
    let paths = entries.map(|entry| Ok(entry?.path())).collect::<anyhow::Result<BTreeSet<_>>>()?;
    Ok(paths.into_iter().filter(|path| path.extension().is_some_and(|end| end == "wasm")).collect())
}

/// Replaces a file in one step if its bytes would change. Says whether they did.
fn write_if_changed(path: &Path, bytes: &[u8]) -> anyhow::Result<bool> {
    if fs::read(path).is_ok_and(|known| known == bytes) {
        return Ok(false);
    }
    let folder = path.parent().context("a file lies in a folder")?;
    // A temporary file is private by default; these are files like any other output of a build.
    let mut file = tempfile::Builder::new()
        .permissions(fs::Permissions::from_mode(0o644))
        .tempfile_in(folder)
        .with_context(|| format!("can't write to {}", folder.display()))?;
    file.write_all(bytes).with_context(|| format!("can't write {}", path.display()))?;
    file.persist(path).with_context(|| format!("can't replace {}", path.display()))?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guest(name: &str) -> BuiltGuest {
        BuiltGuest { name: name.to_owned(), component: b"component".to_vec(), symbols: b"symbols".to_vec() }
    }

    #[test]
    fn what_does_not_change_is_not_touched_and_what_is_gone_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        write_all(folder, &[guest("a"), guest("b")]).unwrap();
        let before = fs::metadata(folder.join("a.wasm")).unwrap().modified().unwrap();
        write_all(folder, &[guest("a")]).unwrap();
        assert_eq!(fs::metadata(folder.join("a.wasm")).unwrap().modified().unwrap(), before);
        let names: Vec<_> = wasm_files(folder).unwrap().into_iter().collect();
        assert_eq!(names, [folder.join("a.symbols.wasm"), folder.join("a.wasm")]);
    }

    #[test]
    fn a_changed_file_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.wasm");
        assert!(write_if_changed(&path, b"1").unwrap());
        assert!(!write_if_changed(&path, b"1").unwrap());
        assert!(write_if_changed(&path, b"2").unwrap());
        assert_eq!(fs::read(path).unwrap(), b"2");
    }
}
