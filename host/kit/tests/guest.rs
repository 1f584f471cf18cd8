//! Builds the hello plugin with the real compiler, twice, as two users would.
//!
//! Takes minutes (it compiles `std`), so it runs when `PALISADE_SLOW_TESTS` is set, as `cargo xtask test` does, and says
//! so when it does not.
#![expect(clippy::unwrap_used, reason = "a test stops at what it does not expect")]

use std::{
    collections::BTreeSet,
    env, fs,
    io::Write as _,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use palisade_kit::{BuiltGuest, CargoOutput, Environment, Toolchain, build_guest, find};
use wasmparser::{Parser, Payload};
use wit_component::DecodedWasm;
use wit_parser::WorldItem;

#[test]
fn two_users_build_the_same_bytes_and_the_component_imports_what_it_calls() {
    let environment = Environment::of_process();
    let Some(toolchain) = toolchain(&environment) else { return };
    let scratch = tempfile::tempdir().unwrap();
    let first = build(&environment, &toolchain, &scratch.path().join("ann"));
    let second = build(&environment, &toolchain, &scratch.path().join("bob/some/where/deeper"));

    assert_eq!(imports(&first.component), expected_imports());
    assert_eq!(custom_sections(&first.component), BTreeSet::new());
    assert_eq!(largest_code(&first.component), largest_code(&first.symbols), "symbols are for other code");
    assert!(first.component.len() < 200 << 10, "hello has {} bytes", first.component.len());
    let scratch = scratch.path().to_str().unwrap();
    for (what, bytes) in [("component", &first.component), ("symbols", &first.symbols)] {
        for private in ["ann", "/registry/src/", "/toolchains/"].map(|name| format!("{scratch}/{name}")) {
            assert!(!contains(bytes, &private), "the {what} names {private}");
        }
        assert!(!contains(bytes, scratch), "the {what} names the project's folder");
    }
    assert!(first.component == second.component, "two users got two components");
    assert!(first.symbols == second.symbols, "two users got two symbol files");
}

fn toolchain(environment: &Environment) -> Option<Toolchain> {
    let missing = match find(environment) {
        _ if env::var_os("PALISADE_SLOW_TESTS").is_none() => "PALISADE_SLOW_TESTS is not set".to_owned(),
        Ok(toolchain) => return Some(toolchain),
        Err(error) => error.to_string(),
    };
    // Past the harness, which shows nothing that a passing test prints.
    let _ = writeln!(std::io::stderr(), "SKIPPED: {missing}");
    None
}

/// Builds a copy of hello and SDK below `user`, with a home and a cargo home of its own.
fn build(environment: &Environment, toolchain: &Toolchain, user: &Path) -> BuiltGuest {
    let plugins = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../plugins");
    let project = user.join("project");
    copy(&plugins.join("hello"), &project.join("hello"));
    copy(&plugins.join("sdk"), &project.join("sdk"));
    let manifest = fs::read_to_string(plugins.join("Cargo.toml")).unwrap();
    let members = manifest.lines().find(|line| line.starts_with("members")).unwrap();
    fs::write(project.join("Cargo.toml"), manifest.replace(members, r#"members = ["hello", "sdk"]"#)).unwrap();
    fs::copy(plugins.join("Cargo.lock"), project.join("Cargo.lock")).unwrap();
    // The registry is the same, its name is not: cargo unpacks sources below its home.
    let cargo_home = user.join("cargo-home");
    fs::create_dir_all(&cargo_home).unwrap();
    symlink(environment.cargo_home.as_ref().unwrap().join("registry"), cargo_home.join("registry")).unwrap();
    let environment = Environment { home: Some(user.to_owned()), cargo_home: Some(cargo_home), ..environment.clone() };
    let (manifest, target) = (project.join("Cargo.toml"), user.join("target"));
    build_guest(&environment, toolchain, &manifest, "hello", &target, CargoOutput::Keep).unwrap()
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        // Follows links: the SDK's `wit` is one.
        if fs::metadata(entry.path()).unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

fn expected_imports() -> BTreeSet<String> {
    ["artifacts#[method]reader.next", "artifacts#emit", "log#write"]
        .map(|name| format!("palisade:plugin/{}", name.replace('#', "@0.1.0#")))
        .into()
}

fn imports(component: &[u8]) -> BTreeSet<String> {
    let DecodedWasm::Component(resolve, world) = wit_component::decode(component).unwrap() else {
        panic!("not a component");
    };
    let mut names = BTreeSet::new();
    for (key, item) in &resolve.worlds[world].imports {
        let interface = resolve.name_world_key(key);
        if let WorldItem::Interface { id, .. } = item {
            names.extend(resolve.interfaces[*id].functions.keys().map(|function| format!("{interface}#{function}")));
        }
    }
    names
}

fn custom_sections(component: &[u8]) -> BTreeSet<String> {
    let payloads = Parser::new(0).parse_all(component).map(Result::unwrap);
    payloads
        .filter_map(|payload| match payload {
            Payload::CustomSection(section) => Some(section.name().to_owned()),
            _ => None,
        })
        .collect()
}

/// Returns the largest code section of all modules: the guest's own.
fn largest_code(wasm: &[u8]) -> &[u8] {
    let payloads = Parser::new(0).parse_all(wasm).map(Result::unwrap);
    let sections = payloads.filter_map(|payload| match payload {
        Payload::CodeSectionStart { range, .. } => Some(&wasm[range]),
        _ => None,
    });
    sections.max_by_key(|code| code.len()).unwrap()
}

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}
