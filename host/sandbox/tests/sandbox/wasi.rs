//! The standard WASI set, which every component may import: an empty world in which nothing waits.

use crate::guest::Guest;
use crate::world::{Attempt, load};
use palisade_model::{Failure, FailureKind, LimitKind};

const CLOCKS: &str = "package test:it;
    world it {
        include palisade:plugin/analyser@0.1.0;
        import wasi:io/poll@0.2.12;
        import wasi:clocks/monotonic-clock@0.2.12;
    }";

const CLI: &str = "package test:it;
    package wasi:cli@0.2.12 {
        interface environment {
            get-environment: func() -> list<tuple<string, string>>;
            get-arguments: func() -> list<string>;
            initial-cwd: func() -> option<string>;
        }
        interface exit { exit: func(status: result); }
        interface stdin { use wasi:io/streams@0.2.12.{input-stream}; get-stdin: func() -> input-stream; }
        interface stdout { use wasi:io/streams@0.2.12.{output-stream}; get-stdout: func() -> output-stream; }
    }
    package wasi:random@0.2.12 { interface random { get-random-bytes: func(len: u64) -> list<u8>; } }
    world it {
        include palisade:plugin/analyser@0.1.0;
        import wasi:io/streams@0.2.12;
        import wasi:cli/environment@0.2.12;
        import wasi:cli/exit@0.2.12;
        import wasi:cli/stdin@0.2.12;
        import wasi:cli/stdout@0.2.12;
        import wasi:random/random@0.2.12;
        import wasi:filesystem/types@0.2.12;
        import wasi:filesystem/preopens@0.2.12;
    }";

const SOCKETS: &str = "package test:it;
    package wasi:sockets@0.2.12 {
        interface network {
            resource network;
            enum error-code {
                unknown, access-denied, not-supported, invalid-argument, out-of-memory, timeout, concurrency-conflict,
                not-in-progress, would-block, invalid-state, new-socket-limit, address-not-bindable, address-in-use,
                remote-unreachable, connection-refused, connection-reset, connection-aborted, datagram-too-large,
                name-unresolvable, temporary-resolver-failure, permanent-resolver-failure,
            }
            enum ip-address-family { ipv4, ipv6 }
        }
        interface instance-network { use network.{network}; instance-network: func() -> network; }
        interface tcp { resource tcp-socket; }
        interface udp { resource udp-socket; }
        interface tcp-create-socket {
            use network.{error-code, ip-address-family};
            use tcp.{tcp-socket};
            create-tcp-socket: func(address-family: ip-address-family) -> result<tcp-socket, error-code>;
        }
        interface udp-create-socket {
            use network.{error-code, ip-address-family};
            use udp.{udp-socket};
            create-udp-socket: func(address-family: ip-address-family) -> result<udp-socket, error-code>;
        }
        interface ip-name-lookup {
            use network.{network, error-code};
            resource resolve-address-stream;
            resolve-addresses: func(network: borrow<network>, name: string) -> result<resolve-address-stream, error-code>;
        }
    }
    world it {
        include palisade:plugin/analyser@0.1.0;
        import wasi:sockets/tcp-create-socket@0.2.12;
        import wasi:sockets/udp-create-socket@0.2.12;
        import wasi:sockets/instance-network@0.2.12;
        import wasi:sockets/ip-name-lookup@0.2.12;
    }";

/// Traps unless the condition holds.
fn check(condition: &str) -> String {
    format!("(if (i32.eqz {condition}) (then unreachable))")
}

fn sleeping(run: &str) -> Guest {
    Guest::running(run)
        .of_world(CLOCKS)
        .importing("wasi:clocks/monotonic-clock@0.2.12", "now", "(result i64)")
        .importing("wasi:clocks/monotonic-clock@0.2.12", "subscribe-duration", "(param i64) (result i32)")
        .importing("wasi:io/poll@0.2.12", "[method]pollable.block", "(param i32)")
        .importing("wasi:io/poll@0.2.12", "[resource-drop]pollable", "(param i32)")
}

/// Sleeps an hour.
const SLEEP: &str = "(local.set $i (call $subscribe-duration (i64.const 3600000000000)))
    (call $block (local.get $i))
    (call $pollable (local.get $i))";

#[test]
fn an_hour_of_sleep_takes_no_time_but_passes() {
    let passed = check("(i64.ge_u (call $now) (i64.const 3600000000000))");
    let guest = sleeping(&format!("{SLEEP} {passed}"));
    let attempt = Attempt::new(&[]);
    attempt.run(&load(&guest).prepared).unwrap();
    assert!(attempt.meter.usage().wall_ms < 60_000);
}

#[test]
fn sleeping_for_ever_burns_fuel() {
    let guest = sleeping(&format!("(loop $again {SLEEP} (br $again))"));
    let failure = Attempt::new(&[(LimitKind::Fuel, 10_000_000)]).run(&load(&guest).prepared).unwrap_err();
    assert!(matches!(failure.kind, FailureKind::Limit { limit: LimitKind::Fuel, .. }), "{failure:?}");
}

#[test]
fn waiting_without_letting_go_ends_at_the_handles() {
    let guest = sleeping(&format!("(loop $again {} (br $again))", "(drop (call $subscribe-duration (i64.const 1)))"));
    let failure = Attempt::new(&[(LimitKind::Handles, 8)]).run(&load(&guest).prepared).unwrap_err();
    assert!(matches!(failure.kind, FailureKind::Limit { limit: LimitKind::Handles, .. }), "{failure:?}");
}

fn program(run: &str) -> Guest {
    Guest::running(run).of_world(CLI)
}

fn failure(guest: &Guest) -> Failure {
    Attempt::new(&[]).run(&load(guest).prepared).unwrap_err()
}

#[test]
fn there_are_no_arguments_no_environment_no_folder_and_no_files() {
    let mut run = String::new();
    for (function, empty) in [
        // The length of a list, or the tag of an option.
        ("get-environment", 2_052),
        ("get-arguments", 2_052),
        ("initial-cwd", 2_048),
        ("get-directories", 2_052),
    ] {
        run += &format!("(i32.store (i32.const {empty}) (i32.const -1)) (call ${function} (i32.const 2048))");
        let load = if function == "initial-cwd" { "i32.load8_u" } else { "i32.load" };
        run += &check(&format!("(i32.eqz ({load} (i32.const {empty})))"));
    }
    let guest = program(&run)
        .importing("wasi:cli/environment@0.2.12", "get-environment", "(param i32)")
        .importing("wasi:cli/environment@0.2.12", "get-arguments", "(param i32)")
        .importing("wasi:cli/environment@0.2.12", "initial-cwd", "(param i32)")
        .importing("wasi:filesystem/preopens@0.2.12", "get-directories", "(param i32)");
    Attempt::new(&[]).run(&load(&guest).prepared).unwrap();
}

#[test]
fn input_is_at_its_end() {
    // The answer is an error, `closed`.
    let read = "(call $blocking-read (call $get-stdin) (i64.const 100) (i32.const 2048))";
    let closed = check("(i32.and (i32.load8_u (i32.const 2048)) (i32.load8_u (i32.const 2052)))");
    let guest = program(&format!("{read} {closed}"))
        .importing("wasi:cli/stdin@0.2.12", "get-stdin", "(result i32)")
        .importing("wasi:io/streams@0.2.12", "[method]input-stream.blocking-read", "(param i32 i64 i32)");
    Attempt::new(&[]).run(&load(&guest).prepared).unwrap();
}

#[test]
fn output_goes_to_the_log_line_by_line() {
    let write = "(call $blocking-write-and-flush (call $get-stdout) (i32.const 3000) (i32.const 12) (i32.const 2048))";
    let guest = program(write)
        .importing("wasi:cli/stdout@0.2.12", "get-stdout", "(result i32)")
        .importing(
            "wasi:io/streams@0.2.12",
            "[method]output-stream.blocking-write-and-flush",
            "(param i32 i32 i32 i32)",
        )
        .with(r#"(data (i32.const 3000) "one\0atwo\0athree")"#);
    let attempt = Attempt::new(&[]);
    attempt.run(&load(&guest).prepared).unwrap();
    assert_eq!(attempt.seen.lock().unwrap().logged, ["Info: one", "Info: two"]);
}

#[test]
fn leaving_by_exit_is_a_failure() {
    let guest = program("(call $exit (i32.const 0))").importing("wasi:cli/exit@0.2.12", "exit", "(param i32)");
    let failure = failure(&guest);
    assert_eq!(failure.message, "it called `exit` with code 0 instead of returning");
    assert_eq!(failure.kind, FailureKind::Failed);
}

#[test]
fn so_many_random_bytes_come_at_once() {
    let random = |bytes: u32| {
        program(&format!("(call $get-random-bytes (i64.const {bytes}) (i32.const 2048))")).importing(
            "wasi:random/random@0.2.12",
            "get-random-bytes",
            "(param i64 i32)",
        )
    };
    Attempt::new(&[]).run(&load(&random(1 << 20)).prepared).unwrap();
    assert!(failure(&random((1 << 20) + 1)).message.contains("random bytes"));
}

#[test]
fn there_is_no_network() {
    let refused = check("(i32.load8_u (i32.const 2048))");
    let lookup = "(call $resolve-addresses (call $instance-network) (i32.const 3000) (i32.const 9) (i32.const 2048))";
    let guest = Guest::running(&format!(
        "(call $create-tcp-socket (i32.const 0) (i32.const 2048)) {refused}
        (i32.store (i32.const 2048) (i32.const 0))
        (call $create-udp-socket (i32.const 0) (i32.const 2048)) {refused}
        (i32.store (i32.const 2048) (i32.const 0)) {lookup} {refused}"
    ))
    .of_world(SOCKETS)
    .importing("wasi:sockets/tcp-create-socket@0.2.12", "create-tcp-socket", "(param i32 i32)")
    .importing("wasi:sockets/udp-create-socket@0.2.12", "create-udp-socket", "(param i32 i32)")
    .importing("wasi:sockets/instance-network@0.2.12", "instance-network", "(result i32)")
    .importing("wasi:sockets/ip-name-lookup@0.2.12", "resolve-addresses", "(param i32 i32 i32 i32)")
    .with(r#"(data (i32.const 3000) "localhost")"#);
    Attempt::new(&[]).run(&load(&guest).prepared).unwrap();
}
