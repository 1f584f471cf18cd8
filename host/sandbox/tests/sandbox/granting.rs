//! Nothing that a guest, a model or a runbook that they write can reach changes what anybody may do: each function has a
//! kind, of which none is that, and the crates that serve them make no authority.

use crate::decisions::{linked, rust_files};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use wit_parser::{Resolve, WorldItem};

/// The most that a function does. There is no kind for one that grants: it could not be stated here.
#[derive(Debug, Clone, Copy)]
enum AtMost {
    /// Tells what the attempt was given, or what it may read.
    Reads,
    /// Hands something over to be kept with the attempt: items, lines for people, how it ends.
    Says,
    /// Has others answer, who may do no more than the caller was granted.
    Asks,
    /// Changes something outside of the attempt.
    Acts,
}
use AtMost::{Acts, Asks, Reads, Says};

/// All functions of Palisade's own interfaces.
const OWN: &[(&str, AtMost)] = &[
    ("artifacts.[method]reader.info", Reads),
    ("artifacts.[method]reader.next", Reads),
    ("artifacts.emit", Says),
    ("attempt.idempotency-key", Reads),
    ("limits.granted", Reads),
    ("llm.complete", Asks),
    ("log.progress", Says),
    ("log.skip", Says),
    ("log.write", Says),
    ("runbooks.most", Reads),
    // All that a model may have run: planned within what the step allows, as any runbook that is an artifact.
    ("runbooks.submit", Asks),
    ("sql.[method]rows.columns", Reads),
    ("sql.[method]rows.next", Reads),
    ("sql.query", Asks),
    ("tools.available", Reads),
    ("tools.call", Asks),
    ("tools.hand-over", Asks),
];

/// The interfaces of WASI, whose functions are those of the version below: a later one is to be read anew.
const WASI: &[(&str, AtMost)] = &[
    ("cli::environment", Reads),
    ("cli::exit", Says),
    ("cli::stderr", Says),
    ("cli::stdin", Reads),
    ("cli::stdout", Says),
    ("cli::terminal_input", Reads),
    ("cli::terminal_output", Says),
    ("cli::terminal_stderr", Says),
    ("cli::terminal_stdin", Reads),
    ("cli::terminal_stdout", Says),
    ("clocks::monotonic_clock", Reads),
    ("clocks::wall_clock", Reads),
    ("filesystem::preopens", Reads),
    ("http::types", Says),
    ("io::error", Reads),
    ("io::poll", Reads),
    ("io::streams", Acts),
    ("outgoing_handler", Acts),
    ("random::insecure", Reads),
    ("random::insecure_seed", Reads),
    ("random::random", Reads),
    ("sockets::instance_network", Reads),
    ("sockets::ip_name_lookup", Asks),
    ("sockets::network", Reads),
    ("sockets::tcp", Acts),
    ("sockets::tcp_create_socket", Acts),
    ("sockets::udp", Acts),
    ("sockets::udp_create_socket", Acts),
    // Of files.
    ("types", Acts),
];
const WASI_VERSION: &str = "0.2.12";

/// What the host does when a guest calls, behind the sandbox.
const PORTS: &[(&str, AtMost)] = &[
    ("Items.artifact", Reads),
    ("Items.info", Reads),
    ("Items.next", Reads),
    ("Network.lookup", Asks),
    ("Network.roots", Reads),
    ("Ports.arena", Says),
    ("Ports.ask_model", Asks),
    ("Ports.call_tool", Asks),
    // Writes down what `authorise` said.
    ("Ports.decided", Says),
    ("Ports.default_model", Reads),
    ("Ports.emit", Says),
    ("Ports.idempotency_key", Reads),
    ("Ports.log", Says),
    ("Ports.most_runbooks", Reads),
    ("Ports.progress", Says),
    ("Ports.query", Asks),
    ("Ports.refused", Says),
    ("Ports.skip", Says),
    // Put in their places once the attempt has succeeded.
    ("Ports.staged", Acts),
    ("Ports.submit_runbook", Asks),
    ("Ports.tools", Reads),
    ("Rows.columns", Reads),
    ("Rows.next", Reads),
    ("RunBounds.deny", Says),
    ("RunBounds.send", Says),
];

/// The crates that serve what guests call.
const SERVING: [&str; 6] = ["engine", "interpreter", "llm", "net", "sandbox", "sql"];

fn host() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

fn names(table: &[(&str, AtMost)]) -> BTreeSet<String> {
    table.iter().map(|(name, _)| (*name).to_owned()).collect()
}

#[test]
fn no_function_that_a_guest_can_import_grants() {
    let mut resolve = Resolve::default();
    resolve.push_dir(host().join("../wit")).unwrap();
    let package_of = |id| {
        let interface: &wit_parser::Interface = &resolve.interfaces[id];
        (interface, &resolve.packages[interface.package.unwrap()].name)
    };
    let (_, world) = resolve.worlds.iter().find(|(_, world)| world.name == "everything").unwrap();
    let (mut own, mut functions) = (BTreeSet::new(), BTreeSet::new());
    for item in world.imports.values() {
        let WorldItem::Interface { id, .. } = item else { panic!("{item:?} is in no interface") };
        let (interface, package) = package_of(*id);
        if package.namespace == "wasi" {
            assert_eq!(package.version.as_ref().unwrap().to_string(), WASI_VERSION, "{package}");
            continue;
        }
        let name = interface.name.as_ref().unwrap();
        functions.extend(interface.functions.keys().map(|function| format!("{name}.{function}")));
        own.insert(name.clone());
    }
    assert_eq!(functions, names(OWN));
    // The types of Palisade's own have no functions; what is linked by that name are files.
    own.remove("types");
    assert_eq!(linked().difference(&own).cloned().collect::<BTreeSet<_>>(), names(WASI));
}

#[test]
fn no_function_that_the_host_calls_for_a_guest_grants() {
    let text = fs::read_to_string(host().join("sandbox/src/ports.rs")).unwrap();
    let mut found = BTreeSet::new();
    for part in text.split("\npub trait ").skip(1) {
        let name = part.split([':', ' ']).next().unwrap();
        let body = part.split("\n}\n").next().unwrap();
        let functions = body.split("\n    fn ").skip(1).map(|function| function.split(['(', '<']).next().unwrap());
        found.extend(functions.map(|function| format!("{name}.{function}")));
    }
    assert_eq!(found, names(PORTS));
}

#[test]
fn who_serves_guests_makes_no_authority() {
    for name in SERVING {
        let files = rust_files(&host().join(name).join("src"));
        for file in files.iter().filter(|file| !file.iter().any(|part| part == "tests" || part == "tests.rs")) {
            let text = fs::read_to_string(file).unwrap();
            let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
            for maker in ["Authority::", "Grant::", "Grant {", "LockFile"] {
                assert!(!text.contains(maker), "{} has `{maker}`", file.display());
            }
        }
    }
}
