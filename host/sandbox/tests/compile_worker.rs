//! Compiling in a child of this very executable, as the binary of Palisade does it. It has a harness of its own, since
//! the child begins with the same `main`.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

#[path = "sandbox/guest.rs"]
#[expect(dead_code, reason = "the other tests use all of it")]
mod guest;

use guest::Guest;
use palisade_model::Digest;
use palisade_sandbox::{
    COMPILE_WORKER_SUBCOMMAND, CapsError, CompileError, Compiling, LoadError, Sandbox, Settings, compile_worker_main,
};
use std::process::ExitCode;
use std::time::{Duration, Instant};

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some(COMPILE_WORKER_SUBCOMMAND) {
        return compile_worker_main();
    }
    let sandbox = Sandbox::new(Settings { instances: 2 }).unwrap();
    a_component_is_compiled(&sandbox);
    what_is_not_valid_is_refused_with_the_reason(&sandbox);
    a_bomb_of_nested_blocks_never_reaches_the_compiler(&sandbox);
    an_executable_that_does_something_else_is_no_compiler(&sandbox);
    ExitCode::SUCCESS
}

fn load(sandbox: &Sandbox, bytes: &[u8]) -> Result<bool, LoadError> {
    let executable = std::env::current_exe().unwrap();
    let compiling = Compiling::Child { executable: &executable };
    sandbox.load(&Digest::of(bytes), || Ok(bytes.to_vec()), compiling, None).map(|loaded| loaded.compiled)
}

fn a_component_is_compiled(sandbox: &Sandbox) {
    assert!(load(sandbox, &Guest::default().build()).unwrap());
}

fn what_is_not_valid_is_refused_with_the_reason(sandbox: &Sandbox) {
    // It adds two numbers that are not there.
    match load(sandbox, &guest::encode_unchecked("(module (func i32.add drop))")) {
        Err(LoadError::Compile(CompileError::Refused(why))) => assert!(why.contains("type mismatch"), "{why}"),
        other => panic!("{other:?}"),
    }
}

fn a_bomb_of_nested_blocks_never_reaches_the_compiler(sandbox: &Sandbox) {
    let began = Instant::now();
    let nested = format!("(module (func {} {}))", "block ".repeat(100_000), "end ".repeat(100_000));
    match load(sandbox, &guest::encode_unchecked(&nested)) {
        Err(LoadError::Compile(CompileError::Caps(CapsError::TooMany { what, .. }))) => {
            assert_eq!(what, "blocks nested in one function");
        }
        other => panic!("{other:?}"),
    }
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}

fn an_executable_that_does_something_else_is_no_compiler(sandbox: &Sandbox) {
    let bytes = Guest::default().build();
    let compiling = Compiling::Child { executable: "/bin/false".as_ref() };
    let failed = sandbox.load(&Digest::of(&bytes), || Ok(bytes.clone()), compiling, None);
    assert!(matches!(failed, Err(LoadError::Compile(CompileError::Crashed { .. }))), "{failed:?}");
}
