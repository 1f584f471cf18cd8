//! Everything that a guest may call has a stated decision: no power, refused whatever it is, or a use that is authorised.
//!
//! What is linked is read off the sources: a linker does not tell what it was given.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use wit_parser::Resolve;

/// How it is decided what a function may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Decided {
    /// It reaches nothing outside of the attempt.
    NoPower,
    /// It is refused to everyone.
    Refused,
    /// `authorise` is asked with what was really reached.
    Authorised,
    /// It goes by a handle that only what was authorised gives.
    ByHandle,
}
use Decided::{Authorised, ByHandle, NoPower, Refused};

/// The interfaces that are linked and how it is decided about all of their functions; none = function by function, below.
const INTERFACES: &[(&str, Option<Decided>)] = &[
    ("artifacts", Some(NoPower)),
    ("attempt", Some(NoPower)),
    ("cli::environment", Some(NoPower)),
    ("cli::exit", Some(NoPower)),
    ("cli::stderr", Some(NoPower)),
    ("cli::stdin", Some(NoPower)),
    ("cli::stdout", Some(NoPower)),
    ("cli::terminal_input", Some(NoPower)),
    ("cli::terminal_output", Some(NoPower)),
    ("cli::terminal_stderr", Some(NoPower)),
    ("cli::terminal_stdin", Some(NoPower)),
    ("cli::terminal_stdout", Some(NoPower)),
    ("clocks::monotonic_clock", Some(NoPower)),
    ("clocks::wall_clock", Some(NoPower)),
    ("filesystem::preopens", None),
    // Builds a request and looks into an answer; the handler sends it.
    ("http::types", Some(NoPower)),
    ("io::error", Some(NoPower)),
    ("io::poll", Some(NoPower)),
    ("io::streams", Some(ByHandle)),
    ("limits", Some(NoPower)),
    ("llm", None),
    ("log", Some(NoPower)),
    ("outgoing_handler", None),
    ("random::insecure", Some(NoPower)),
    ("random::insecure_seed", Some(NoPower)),
    ("random::random", Some(NoPower)),
    ("runbooks", None),
    ("sockets::instance_network", Some(Refused)),
    ("sockets::ip_name_lookup", Some(Refused)),
    ("sockets::network", Some(Refused)),
    ("sockets::tcp", Some(Refused)),
    ("sockets::tcp_create_socket", Some(Refused)),
    ("sockets::udp", Some(Refused)),
    ("sockets::udp_create_socket", Some(Refused)),
    ("sql", None),
    ("tools", None),
    ("types", None),
];

/// The functions of the interfaces behind powers.
const FUNCTIONS: &[(&str, &[(&str, Decided)])] = &[
    ("preopens", &[("get-directories", Authorised)]),
    ("llm", &[("complete", Authorised)]),
    ("outgoing_handler", &[("handle", Authorised)]),
    // Behind the port, for each component that the runbook runs, once it is planned.
    ("runbooks", &[("most", NoPower), ("submit", Authorised)]),
    ("sql", &[("[method]rows.columns", ByHandle), ("[method]rows.next", ByHandle), ("query", Authorised)]),
    ("tools", &[("available", NoPower), ("call", Authorised), ("hand-over", Authorised)]),
    (
        "types",
        &[
            ("[method]descriptor.advise", ByHandle),
            ("[method]descriptor.append-via-stream", ByHandle),
            ("[method]descriptor.create-directory-at", Authorised),
            ("[method]descriptor.get-flags", ByHandle),
            ("[method]descriptor.get-type", ByHandle),
            ("[method]descriptor.is-same-object", ByHandle),
            ("[method]descriptor.link-at", Refused),
            ("[method]descriptor.metadata-hash", ByHandle),
            ("[method]descriptor.metadata-hash-at", Authorised),
            ("[method]descriptor.open-at", Authorised),
            ("[method]descriptor.read", ByHandle),
            ("[method]descriptor.read-directory", ByHandle),
            ("[method]descriptor.read-via-stream", ByHandle),
            ("[method]descriptor.readlink-at", Authorised),
            ("[method]descriptor.remove-directory-at", ByHandle),
            ("[method]descriptor.rename-at", Authorised),
            ("[method]descriptor.set-size", ByHandle),
            ("[method]descriptor.set-times", Refused),
            ("[method]descriptor.set-times-at", Refused),
            ("[method]descriptor.stat", ByHandle),
            ("[method]descriptor.stat-at", Authorised),
            ("[method]descriptor.symlink-at", Refused),
            ("[method]descriptor.sync", ByHandle),
            ("[method]descriptor.sync-data", ByHandle),
            ("[method]descriptor.unlink-file-at", ByHandle),
            ("[method]descriptor.write", ByHandle),
            ("[method]descriptor.write-via-stream", ByHandle),
            ("[method]directory-entry-stream.read-directory-entry", ByHandle),
            ("filesystem-error-code", NoPower),
        ],
    ),
];

pub(crate) fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { rust_files(&path) } else { vec![path] }).collect()
}

/// The interfaces that the sources link, by the last two names of their paths.
pub(crate) fn linked() -> BTreeSet<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/import");
    let texts = rust_files(&root)
        .into_iter()
        .filter(|path| !path.ends_with("mod.rs"))
        .map(|path| fs::read_to_string(path).unwrap());
    let lines: Vec<String> = texts.flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>()).collect();
    let calls = lines.iter().filter_map(|line| line.split_once("::add_to_linker::<"));
    calls
        .map(|(path, _)| {
            let names: Vec<&str> = path.trim().split("::").collect();
            names[names.len().saturating_sub(2)..].join("::")
        })
        .collect()
}

#[test]
fn every_interface_that_is_linked_has_a_stated_decision() {
    let stated: BTreeSet<String> = INTERFACES.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(linked(), stated);
}

#[test]
fn every_function_behind_a_power_has_a_stated_decision() {
    let mut resolve = Resolve::default();
    resolve.push_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wit")).unwrap();
    let without_power = |interface: &wit_parser::Interface| {
        let package = interface.package.and_then(|package| resolve.packages.get(package));
        package.is_some_and(|package| package.name.name == "http") && interface.name.as_deref() == Some("types")
    };
    for (name, stated) in FUNCTIONS {
        // Of the types of Palisade's own package there are no functions.
        let interfaces = resolve.interfaces.iter().map(|(_, interface)| interface);
        let found: BTreeSet<&str> = interfaces
            .filter(|interface| interface.name.as_deref() == Some(&name.replace('_', "-")) && !without_power(interface))
            .flat_map(|interface| interface.functions.keys().map(String::as_str))
            .collect();
        assert_eq!(found, stated.iter().map(|(function, _)| *function).collect(), "{name}");
    }
    let by_function = INTERFACES.iter().filter(|(_, decided)| decided.is_none()).map(|(name, _)| *name);
    let last = |name: &'static str| name.rsplit("::").next().unwrap_or(name);
    assert_eq!(by_function.map(last).collect::<Vec<_>>(), FUNCTIONS.iter().map(|(name, _)| *name).collect::<Vec<_>>());
}

#[test]
fn what_is_said_to_be_authorised_or_refused_is() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/import");
    let text = |file: &str| fs::read_to_string(root.join(file)).unwrap();
    // Each preopen is one of the values of the config, looked at before it is handed out.
    assert!(text("filesystem/preopens.rs").contains("self.authorise("));
    // What a request asks for is decided about where the addresses are.
    let http = text("http.rs");
    let decide = http.split_once("fn decide(").and_then(|(_, body)| body.split("\n    }\n").next()).unwrap();
    assert_eq!(decide.matches("self.authorise(").count(), 2);
    // Each secret is decided about before, and filled in behind everything that is decided.
    let position = |call: &str| decide.find(call).unwrap_or_else(|| panic!("{call} is not there"));
    assert!(position("self.secrets_of(") < position("connection::find("));
    assert!(position("secrets::fill(") > decide.rfind("self.authorise(").unwrap());
    assert!(text("http/secrets.rs").contains("self.authorise(&Use::Secret"));
    // What is made or opened in a folder to write to is decided about where it would be put.
    let staged = text("filesystem/staged.rs");
    for (function, decides) in [
        ("open_staged", "self.create_staged("),
        ("open_staged", "self.reopen_staged("),
        ("reopen_staged", "self.authorise("),
        ("create_folder_staged", "self.create_staged("),
        ("create_staged", "self.authorise("),
        ("rename_staged", "self.authorise("),
    ] {
        let (_, body) = staged.split_once(&format!("fn {function}(")).unwrap();
        assert!(body.split("\n    }\n").next().unwrap().contains(decides), "{function}");
    }
    // A call and a hand-over are made the same way.
    let tools = text("tools.rs");
    let (_, make) = tools.split_once("fn make(").unwrap();
    assert!(make.split("\n    }\n").next().unwrap().contains("self.authorise_call("));
    let text = text("filesystem.rs") + &text("sql.rs") + &tools + &text("http.rs");
    for (function, decided) in FUNCTIONS.iter().flat_map(|(_, functions)| *functions) {
        let name = function.rsplit('.').next().unwrap_or(function).replace('-', "_");
        let Some((_, body)) = text.split_once(&format!("fn {name}(")) else { continue };
        let body = body.split("\n    }\n").next().unwrap_or_default();
        match decided {
            // By itself, or where every path is followed.
            Authorised => assert!(
                [".reach(", "authorise(", ".decide(", "_staged(", ".make("].iter().any(|asks| body.contains(asks)),
                "{function}: {body}"
            ),
            Refused => assert!(
                body.contains("Err(DENIED") || body.contains("Err(ErrorCode::Unsupported"),
                "{function}: {body}"
            ),
            NoPower | ByHandle => {}
        }
    }
}
