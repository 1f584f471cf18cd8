//! How guests end, and what people are told.

use crate::guest::Guest;
use crate::world::{Attempt, load};
use palisade_model::{Failure, FailureKind};
use palisade_sandbox::ports::PortError;

fn failure(guest: &Guest) -> Failure {
    Attempt::new(&[]).run(&load(guest).prepared).unwrap_err()
}

fn trap_message(guest: &Guest) -> String {
    let failure = failure(guest);
    assert!(matches!(failure.kind, FailureKind::Trap { .. }), "{failure:?}");
    failure.message
}

#[test]
fn a_panic_is_told_with_the_text_that_was_logged_before() {
    let panics = r#"(call $write (i32.const 4) (i32.const 3000) (i32.const 5)) unreachable"#;
    let guest = Guest::running(panics).logging().with(r#"(data (i32.const 3000) "boom!")"#);
    assert_eq!(trap_message(&guest), "boom!");
    assert_eq!(trap_message(&Guest::running("unreachable")), "it aborted without a word");
}

#[test]
fn a_trap_has_a_stack() {
    let guest = Guest::running("(call $inner)").with("(func $inner unreachable)");
    match failure(&guest).kind {
        FailureKind::Trap { frames } => assert!(frames.len() >= 2 && frames[0] == "inner", "{frames:?}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn recursion_ends_at_the_end_of_the_stack() {
    let guest = Guest::running("(call $deeper)").with("(func $deeper (call $deeper) (call $deeper))");
    assert_eq!(trap_message(&guest), "it recursed deeper than its call stack of 512 KiB allows");
}

#[test]
fn wrong_values_are_traps_and_no_limits() {
    let beyond = Guest::running("(call $write (i32.const 2) (i32.const 130000) (i32.const 100000))").logging();
    assert!(trap_message(&beyond).contains("out of bounds"));
    let not_text = Guest::running("(call $write (i32.const 2) (i32.const 3000) (i32.const 1))").logging();
    trap_message(&not_text.with(r#"(data (i32.const 3000) "\ff")"#));
    let no_handle = Guest::running("(call $next (i32.const 77) (i32.const 0) (i32.const 2048))").reading();
    assert!(trap_message(&no_handle).contains("handle"));
    let no_level = Guest::running("(call $write (i32.const 99) (i32.const 0) (i32.const 0))").logging();
    trap_message(&no_level);
}

#[test]
fn what_the_guest_says_of_its_failure_is_kept() {
    // `err`, kind 1 = bad-input, a message, a place, no help.
    let fails = "(i32.store8 (i32.const 1024) (i32.const 1)) (i32.store8 (i32.const 1032) (i32.const 1))
        (i32.store (i32.const 1036) (i32.const 3000)) (i32.store (i32.const 1040) (i32.const 3))
        (i32.store8 (i32.const 1048) (i32.const 1))
        (i32.store (i32.const 1056) (i32.const 3003)) (i32.store (i32.const 1060) (i32.const 2))
        (i64.store (i32.const 1064) (i64.const 42))";
    let failure = failure(&Guest::running(fails).with(r#"(data (i32.const 3000) "badin")"#));
    assert_eq!(failure, Failure { at: Some(("in".into(), 42)), ..Failure::new(FailureKind::BadInput, "bad") });
}

#[test]
fn what_a_port_finds_final_holds_whatever_the_guest_returns() {
    let emits = "(call $emit (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 2048))";
    let prepared = load(&Guest::running(emits).emitting()).prepared;
    let with = |refuse: fn() -> PortError| {
        let attempt = Attempt { refuse: Some(refuse), ..Attempt::new(&[]) };
        attempt.run(&prepared)
    };
    let schema = || PortError::Schema(Box::new(Failure::new(FailureKind::BadInput, "stands for a schema failure")));
    assert_eq!(with(schema).unwrap_err().message, "stands for a schema failure");
    assert_eq!(with(|| PortError::Host("disk full".into())).unwrap_err().kind, FailureKind::Host);
    assert_eq!(with(|| PortError::Cancelled).unwrap_err().kind, FailureKind::Cancelled);
    assert!(with(|| PortError::Invalid("no such port".into())).is_ok(), "the guest may go on");
    assert!(with(|| PortError::Unavailable("later".into())).is_ok(), "the guest may go on");
}

#[test]
fn a_guest_that_fails_after_a_denial_failed_for_it() {
    let fails = "(call $emit (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 2048))
        (i32.store8 (i32.const 1024) (i32.const 1)) (i32.store8 (i32.const 1032) (i32.const 3))";
    let prepared = load(&Guest::running(fails).emitting()).prepared;
    let attempt = Attempt { refuse: Some(|| PortError::Denied("the moon".into())), ..Attempt::new(&[]) };
    let denied = FailureKind::Denied { what: "the moon".into(), allow: None };
    assert_eq!(attempt.run(&prepared).unwrap_err().kind, denied);
}

#[test]
fn items_flow_in_batches_and_come_out_as_emitted() {
    let copies = "(block $end (loop $again
        (call $next (i32.load offset=8 (local.get $inputs)) (i32.const 4) (i32.const 2048))
        ;; result<option<batch>>: the option at 8, in it first at 16, then the items
        (br_if $end (i32.eqz (i32.load8_u (i32.const 2056))))
        (call $emit (i32.const 0) (i32.const 0) (i32.load (i32.const 2072)) (i32.load (i32.const 2076)) (i32.const 2200))
        (br $again)))";
    let mut attempt = Attempt::new(&[]);
    attempt.input = b"1\n22\n333\n4444444\n5\n".to_vec();
    attempt.run(&load(&Guest::running(copies).reading().emitting()).prepared).unwrap();
    assert_eq!(attempt.seen.lock().unwrap().emitted, attempt.input);
    let usage = attempt.meter.usage();
    assert_eq!((usage.input_bytes, usage.output_bytes), (19, 19));
}

#[test]
fn partial_states_reach_finish_and_metadata_comes_back() {
    // Answers with the first partial state as the metadata of port "p".
    let finishes = "(i32.store (i32.const 1032) (i32.const 3008)) (i32.store (i32.const 1036) (i32.const 1))
        (i32.store (i32.const 3008) (i32.const 3000)) (i32.store (i32.const 3012) (i32.const 1))
        (i32.store (i32.const 3016) (i32.load (local.get $partials)))
        (i32.store (i32.const 3020) (i32.load offset=4 (local.get $partials)))";
    let guest = Guest::default().finishing(finishes).with(r#"(data (i32.const 3000) "p")"#);
    let attempt = Attempt::new(&[]);
    let outputs = attempt.finish(&load(&guest).prepared, &[b"{}".to_vec(), b"more".to_vec()]).unwrap();
    assert_eq!((outputs[0].port.as_str(), outputs[0].json.as_str()), ("p", "{}"));
    assert_eq!(attempt.meter.usage().output_bytes, 2);
}

#[test]
fn a_partial_state_has_a_size() {
    let returns =
        |bytes: u32| Guest::running(&format!("(i32.store (i32.const 1036) (i32.const {bytes}))")).with_memory(32);
    let run = |bytes| Attempt::new(&[]).run(&load(&returns(bytes)).prepared);
    assert_eq!(run(1 << 20).unwrap().len(), 1 << 20);
    assert_eq!(run((1 << 20) + 1).unwrap_err().kind, FailureKind::Failed);
}
