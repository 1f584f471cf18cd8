//! The crates depend on each other as `docs/architecture.md` says: arrows point down only.

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

/// What each crate may use. A crate that is missing here fails the test.
const MAY_USE: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("audit", &["model"]),
    ("authority", &["model"]),
    ("schema", &["model"]),
    ("store", &["audit", "model"]),
    ("net", &["model"]),
    ("sql", &["model", "net"]),
    ("llm", &["model", "net", "schema", "store"]),
    ("report", &["model"]),
    ("interpreter", &["model"]),
    ("kit", &[]),
    ("runbook", &["authority", "model", "schema"]),
    ("sandbox", &["authority", "model", "net"]),
    ("settings", &["audit", "authority", "model", "runbook"]),
    (
        "engine",
        &["audit", "authority", "interpreter", "llm", "model", "net", "runbook", "sandbox", "schema", "sql", "store"],
    ),
    (
        "cli",
        &[
            "audit",
            "authority",
            "engine",
            "kit",
            "llm",
            "model",
            "net",
            "report",
            "runbook",
            "sandbox",
            "schema",
            "settings",
            "sql",
            "store",
        ],
    ),
    ("xtask", &["kit"]),
];

#[test]
fn arrows_point_down_only() {
    let root = palisade_tests::root();
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(&root)
        .output()
        .unwrap();
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let allowed: BTreeMap<_, BTreeSet<_>> =
        MAY_USE.iter().map(|(name, uses)| (*name, uses.iter().copied().collect())).collect();
    let mut seen = BTreeSet::new();
    for package in metadata["packages"].as_array().unwrap() {
        let name = package["name"].as_str().unwrap().trim_start_matches("palisade-");
        if ["tests", "fuzz"].contains(&name) {
            continue;
        }
        let may = allowed.get(name).unwrap_or_else(|| panic!("crate `{name}` is not in the table"));
        let dependencies = package["dependencies"].as_array().unwrap().iter().filter(|uses| uses["kind"].is_null());
        let names: Vec<_> = dependencies.map(|uses| uses["name"].as_str().unwrap()).collect();
        let own: BTreeSet<_> = names.iter().filter_map(|uses| uses.strip_prefix("palisade-")).collect();
        assert!(own.is_subset(may), "`{name}` uses {:?}", own.difference(may));
        assert!(name == "sandbox" || !names.iter().any(|uses| uses.starts_with("wasmtime")), "`{name}` names wasmtime");
        seen.insert(name.to_owned());
    }
    assert_eq!(seen, allowed.keys().map(|name| (*name).to_owned()).collect());
}
