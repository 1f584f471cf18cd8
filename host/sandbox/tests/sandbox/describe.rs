//! What a component says of itself, and what is not believed.

use crate::guest::{Description, Guest, encode};
use crate::world::{load, try_load};
use palisade_model::{LimitKind, LimitSet};
use palisade_sandbox::{DescribeError, LoadError, describe};
use std::error::Error as _;

fn error(guest: &Guest) -> DescribeError {
    let loaded = load(guest);
    describe(&loaded.prepared).unwrap_err()
}

/// The message about a manifest that `change` broke, with its cause.
fn message(change: impl FnOnce(&mut Description)) -> String {
    let mut guest = Guest::default();
    change(&mut guest.manifest);
    match error(&guest) {
        DescribeError::Rules(rules) => rules.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "),
        error => match error.source() {
            Some(cause) => format!("{error}: {cause}"),
            None => error.to_string(),
        },
    }
}

#[test]
fn a_good_manifest_is_taken_as_it_is() {
    let mut guest = Guest::default();
    guest.manifest.limits = vec![("memory".into(), 1 << 20)];
    let loaded = load(&guest);
    let manifest = describe(&loaded.prepared).unwrap();
    assert_eq!(manifest.versioned_id(), "test:guest@1.0.0");
    assert_eq!(manifest.limits[&LimitKind::Memory], 1 << 20);
    assert_eq!((manifest.inputs[0].name.as_str(), manifest.inputs[0].per_item), ("documents", true));
    assert_eq!(manifest.outputs[0].schema.to_string(), "test.out/1.0.0");
    let imports = loaded.prepared.imports();
    assert!(imports.are_pure() && !imports.depend_on_limits());
}

#[test]
fn a_set_of_limits_gives_what_is_not_asked_for_by_itself() {
    let mut guest = Guest::default();
    guest.manifest.attributes = vec![("limits".into(), "large".into())];
    guest.manifest.limits = vec![("memory".into(), 1 << 20)];
    let loaded = load(&guest);
    let mut expected = LimitSet::Large.values();
    expected.insert(LimitKind::Memory, 1 << 20);
    assert_eq!(describe(&loaded.prepared).unwrap().limits, expected);
}

#[test]
fn unknown_names_are_refused_with_the_name() {
    let check = |change: fn(&mut Description), wanted: &str| {
        let message = message(change);
        assert!(message.contains(wanted), "{message}");
    };
    check(|m| m.kind = "oracle".into(), "the kind `oracle`");
    check(|m| m.limits = vec![("moons".into(), 1)], "the limit `moons`");
    check(|m| m.limits = vec![("memory".into(), 1), ("memory".into(), 2)], "sets limit `memory` twice");
    check(|m| m.requests = vec![("fly".into(), "why not".into())], "the power `fly`");
    check(|m| m.attributes = vec![("colour".into(), "red".into())], "the attribute `colour`");
    check(|m| m.attributes = vec![("limits".into(), "huge".into())], "the set of limits `huge`");
    check(|m| m.attributes = vec![("limits".into(), "large".into()); 2], "the attribute `limits` twice");
    check(|m| m.id = "Guest".into(), "id is not valid");
    check(|m| m.version = "one".into(), "`one` in the manifest is not a version");
    check(|m| m.accepts = vec!["standard input".into()], "port `documents`");
    check(|m| m.emits = vec!["a/1.0.0".into(), "b/1.0.0".into()], "port `out` of the manifest must name exactly one");
    check(|m| m.config_schema = "{".into(), "the config schema in the manifest is not valid JSON");
    check(|m| m.config_schema = r#"{"type":"object","type":"object"}"#.into(), "type");
    check(|m| m.title = " ".into(), "`title` is blank");
}

#[test]
fn describing_has_limits() {
    let spins = Guest::default().describing("(loop $forever (br $forever))");
    assert!(matches!(error(&spins), DescribeError::Limit { limit: "fuel", .. }));
    let grows = Guest::default().describing("(drop (memory.grow (i32.const 1022)))");
    assert!(describe(&load(&grows).prepared).is_ok(), "64 MiB");
    let grows = Guest::default().describing("(drop (memory.grow (i32.const 1023)))");
    assert!(matches!(error(&grows), DescribeError::Limit { limit: "memory", .. }));
    let mut long = Guest::default().with_memory(64);
    long.manifest.title = "x".repeat(1 << 20);
    assert!(matches!(error(&long), DescribeError::Limit { limit: "call-bytes", .. }));
}

#[test]
fn a_component_that_traps_is_not_described() {
    assert!(matches!(error(&Guest::default().describing("unreachable")), DescribeError::Failed(_)));
}

#[test]
fn answers_must_be_equal() {
    // A random number becomes a letter of the title.
    let world = "package test:it;
        package wasi:random@0.2.12 { interface random { get-random-u64: func() -> u64; } }
        world it { include palisade:plugin/analyser@0.1.0; import wasi:random/random@0.2.12; }";
    let letter = "(i32.add (i32.const 97) (i32.wrap_i64 (i64.rem_u (call $get-random-u64) (i64.const 23))))";
    let guest = Guest::default()
        .of_world(world)
        .importing("wasi:random/random@0.2.12", "get-random-u64", "(result i64)")
        .describing(&format!("(i32.store8 (i32.load (i32.const 4112)) {letter})"));
    match error(&guest) {
        DescribeError::Differs { first } => assert_eq!(first, "title"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_power_must_be_requested() {
    let query = "(param i32 i32 i32 i32 i32 i32 i32)";
    let mut guest = Guest::default().of_world("connector").importing("palisade:plugin/sql@0.1.0", "query", query);
    assert!(matches!(error(&guest), DescribeError::PowerNotRequested { power: "sql", .. }));
    guest.manifest.requests = vec![("sql".into(), "to read tables".into())];
    guest.manifest.config_schema =
        r#"{"type":"object","properties":{"db":{"type":"string","x-palisade-connection":"sqlite"}}}"#.into();
    let loaded = load(&guest);
    assert!(describe(&loaded.prepared).is_ok());
    assert!(!loaded.prepared.imports().are_pure());
}

#[test]
fn another_world_is_refused_with_the_name() {
    let text = r#"(module (memory (export "memory") 1)
        (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) unreachable)
        (func (export "palisade:plugin/manifest@0.1.0#describe") (result i32) unreachable))"#;
    let world = "package test:it; world it { export palisade:plugin/manifest@0.1.0; }";
    match try_load(&encode(text, world)) {
        Err(LoadError::World(why)) => assert!(why.contains("palisade:plugin/step@0.1.0"), "{why}"),
        other => panic!("{other:?}"),
    }
    let guest = Guest::default().importing("acme:moon/base@0.1.0", "land", "");
    let foreign = "package acme:moon@0.1.0; interface base { land: func(); }
        world it { include palisade:plugin/analyser@0.1.0; import base; }";
    match try_load(&guest.of_world(foreign).build()) {
        Err(LoadError::UnknownImport { interface }) => assert_eq!(interface, "acme:moon/base@0.1.0"),
        other => panic!("{other:?}"),
    }
}
