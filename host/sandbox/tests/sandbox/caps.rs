//! What never reaches the compiler.

use crate::guest::encode_unchecked;
use crate::world::try_load;
use palisade_sandbox::{CapsError, CompileError, LoadError, MAX_COMPONENT_BYTES};

fn caps_error(bytes: &[u8]) -> CapsError {
    match try_load(bytes) {
        Err(LoadError::Compile(CompileError::Caps(error))) => error,
        other => panic!("{other:?}"),
    }
}

/// What there is too much of in a component with that module; none if the caps let it pass.
fn too_many(text: &str) -> Option<&'static str> {
    match try_load(&encode_unchecked(text)) {
        Err(LoadError::Compile(CompileError::Caps(CapsError::TooMany { what, .. }))) => Some(what),
        Err(LoadError::World(_)) => None,
        other => panic!("{other:?}"),
    }
}

#[test]
fn other_bytes_are_told_apart() {
    assert_eq!(caps_error(b""), CapsError::NotWasm);
    assert_eq!(caps_error(b"(component)"), CapsError::NotWasm);
    assert_eq!(caps_error(&wat::parse_str("(module)").unwrap()), CapsError::CoreModule);
    assert!(matches!(caps_error(b"\0asm\x0d\0\x01\0\xff\xff"), CapsError::Broken { .. }));
    let huge = vec![0; MAX_COMPONENT_BYTES + 1];
    assert!(matches!(caps_error(&huge), CapsError::TooMany { what: "bytes", .. }));
}

#[test]
fn blocks_may_nest_so_deep() {
    let nested = |depth: usize| format!("(module (func {} {}))", "block ".repeat(depth), "end ".repeat(depth));
    assert_eq!(too_many(&nested(4_096)), None);
    assert_eq!(too_many(&nested(4_097)), Some("blocks nested in one function"));
}

#[test]
fn there_may_be_so_many_loops() {
    let nested = |depth: usize| format!("(module (func {} {}))", "loop ".repeat(depth), "end ".repeat(depth));
    assert_eq!(too_many(&nested(128)), None);
    assert_eq!(too_many(&nested(129)), Some("loops nested in one function"));
    let in_a_row = |count: usize| format!("(module (func {}))", "loop end ".repeat(count));
    assert_eq!(too_many(&in_a_row(4_096)), None);
    assert_eq!(too_many(&in_a_row(4_097)), Some("loops in one function"));
}

#[test]
fn a_function_may_be_so_long() {
    // A body is its length of locals, the instructions and `end`.
    let long = |bytes: usize| format!("(module (func {}))", "nop ".repeat(bytes - 2));
    assert_eq!(too_many(&long(512 << 10)), None);
    assert_eq!(too_many(&long((512 << 10) + 1)), Some("bytes in one function"));
}

#[test]
fn there_may_be_so_many_functions() {
    let many = |count: usize| format!("(module {})", "(func)".repeat(count));
    assert_eq!(too_many(&many(50_001)), Some("functions"));
}

#[test]
fn there_may_be_so_many_modules_and_levels() {
    let modules = |count: usize| wat::parse_str(format!("(component {})", "(core module)".repeat(count))).unwrap();
    assert!(matches!(try_load(&modules(64)), Err(LoadError::World(_))));
    assert!(matches!(caps_error(&modules(65)), CapsError::TooMany { what: "core modules", .. }));
    let nested = |depth: usize| {
        let text = format!("(component {} {})", "(component ".repeat(depth), ")".repeat(depth));
        wat::parse_str(text).unwrap()
    };
    assert!(matches!(try_load(&nested(8)), Err(LoadError::World(_))));
    assert!(matches!(caps_error(&nested(9)), CapsError::TooMany { what: "levels of nesting", .. }));
}

#[test]
fn there_may_be_so_many_declarations() {
    let types = format!("(module {})", "(type (func))".repeat(200_001));
    assert_eq!(too_many(&types), Some("declarations"));
}

#[test]
fn features_that_nobody_needs_are_off() {
    for text in ["(module (memory 1) (memory 1))", "(module (memory i64 1))", "(module (func $f return_call $f))"] {
        match try_load(&encode_unchecked(text)) {
            Err(LoadError::Compile(CompileError::Refused(_))) => {}
            other => panic!("{text}: {other:?}"),
        }
    }
}
