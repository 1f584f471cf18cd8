//! Compiling in a child of this very executable, as the binary of Palisade does it. It has a harness of its own, since
//! the child begins with the same `main`.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

#[path = "sandbox/guest.rs"]
#[expect(dead_code, reason = "the other tests use all of it")]
mod guest;

use guest::Guest;
use palisade_model::Digest;
use palisade_model::unit::Bytes;
use palisade_sandbox::{
    COMPILE_WORKER_SUBCOMMAND, CapsError, CompileError, Compiling, LoadError, Sandbox, Settings, WorkerBounds,
    compile_worker_main,
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
    a_bomb_of_live_values_ends_when_its_time_on_a_processor_is_over(&sandbox);
    a_bomb_of_tables_ends_when_its_memory_is_used_up(&sandbox);
    ExitCode::SUCCESS
}

fn load(sandbox: &Sandbox, bytes: &[u8]) -> Result<bool, LoadError> {
    let executable = std::env::current_exe().unwrap();
    load_as(sandbox, bytes, Compiling::child(&executable))
}

fn load_as(sandbox: &Sandbox, bytes: &[u8], compiling: Compiling<'_>) -> Result<bool, LoadError> {
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
    let failed = load_as(sandbox, &bytes, Compiling::child("/bin/false".as_ref()));
    assert!(matches!(failed, Err(LoadError::Compile(CompileError::Crashed { .. }))), "{failed:?}");
}

/// What ends a component that the counts let pass, under bounds that an honest one keeps to.
fn end_of_bomb(sandbox: &Sandbox, bomb: &str, cpu_seconds: u64) -> String {
    let executable = std::env::current_exe().unwrap();
    let bounds = WorkerBounds { memory: Bytes(1 << 30), cpu_seconds };
    let compiling = Compiling::Child { executable: &executable, bounds };
    assert!(load_as(sandbox, &Guest::default().build(), compiling).unwrap());
    load_as(sandbox, &wat::parse_str(bomb).unwrap(), compiling).unwrap_err().to_string()
}

fn a_bomb_of_live_values_ends_when_its_time_on_a_processor_is_over(sandbox: &Sandbox) {
    // Each value changes in the innermost of many loops, so each is carried around all of them: 10 KB, half a minute.
    let (values, loops) = (800, 128);
    let change = |value: usize| format!("(local.set {value} (i32.add (local.get {value}) (i32.const 1)))");
    let bomb = format!(
        "(component (core module (func (local {}) {} {} {})))",
        "i32 ".repeat(values),
        "loop ".repeat(loops),
        (0..values).map(change).collect::<String>(),
        "i32.const 0 br_if 0 end ".repeat(loops),
    );
    assert_eq!(end_of_bomb(sandbox, &bomb, 3), "compiling the component took more than 3 s of CPU time");
}

fn a_bomb_of_tables_ends_when_its_memory_is_used_up(sandbox: &Sandbox) {
    // Each table is laid out beforehand: four MB for ten bytes.
    let tables = "(table 1048576 1048576 funcref (ref.func 0))".repeat(100);
    let bomb = format!("(component {})", format!("(core module (func) {tables})").repeat(64));
    // On a slow machine laying them out takes a while.
    assert_eq!(end_of_bomb(sandbox, &bomb, 60), "compiling the component took more than 1 GiB of address space");
}
