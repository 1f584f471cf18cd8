//! Guests that attack, each stopped by a limit, and each left alone just below it.
//!
//! A folder in `plugins/hostile` without a module here that has `bites` and `just_below` does not compile.

use palisade_model::{FailureKind, LimitKind};
use palisade_tests::Dir;
use palisade_tests::guest::{Attempt, Guest, Setting};
use std::time::{Duration, Instant};

include!(concat!(env!("OUT_DIR"), "/every_guest_has_a_test.rs"));

/// A guest, the limit that stops it, and what people are told.
struct Case {
    guest: &'static str,
    limit: LimitKind,
    value: u64,
    /// The config with which it attacks, and the one with which it stays below.
    attack: &'static str,
    below: &'static str,
    /// What happened, begun: which limit and its value.
    message: &'static str,
    /// How to raise it.
    help: &'static str,
}

/// Which guest is stopped by which limit, and what is said of it.
const CASES: [Case; 19] = [
    Case {
        guest: "spin",
        limit: LimitKind::Fuel,
        value: 10_000_000,
        attack: "{}",
        below: r#"{"rounds":1000}"#,
        message: "it reached its limit `fuel` of 10,000,000",
        help: "raise `limits.fuel` of the step; it may go up to 1,000,000,000,000",
    },
    Case {
        guest: "spin",
        limit: LimitKind::Wall,
        value: 200,
        attack: "{}",
        below: r#"{"rounds":1000}"#,
        message: "it reached its limit `wall` of 200 ms",
        help: "raise `limits.wall` of the step; it may go up to 24 h",
    },
    Case {
        guest: "memory-hog",
        limit: LimitKind::Memory,
        value: 8 << 20,
        attack: r#"{"bytes":8388608}"#,
        below: r#"{"bytes":7340032}"#,
        message: "it reached its limit `memory` of 8 MiB",
        help: "raise `limits.memory` of the step; it may go up to 1 GiB",
    },
    Case {
        guest: "emit-flood",
        limit: LimitKind::OutputBytes,
        value: 1_024_000,
        attack: r#"{"items":1025}"#,
        below: r#"{"items":1024}"#,
        message: "it reached its limit `output_bytes` of 1000 KiB",
        help: "raise `limits.output_bytes` of the step; it may go up to 64 GiB",
    },
    Case {
        guest: "limit-ignorer",
        limit: LimitKind::OutputBytes,
        value: 10 << 10,
        attack: r#"{"items":50}"#,
        below: r#"{"items":10}"#,
        message: "it reached its limit `output_bytes` of 10 KiB",
        help: "raise `limits.output_bytes` of the step; it may go up to 64 GiB",
    },
    Case {
        guest: "emit-huge",
        limit: LimitKind::CallBytes,
        value: 1 << 20,
        attack: r#"{"bytes":1048577}"#,
        below: r#"{"bytes":1048000}"#,
        message: "it reached its limit `call_bytes` of 1 MiB",
        help: "raise `limits.call_bytes` of the step; it may go up to 256 MiB",
    },
    Case {
        guest: "huge-partial",
        limit: LimitKind::CallBytes,
        value: 4 << 20,
        attack: "5000000",
        below: "1048576",
        message: "it reached its limit `call_bytes` of 4 MiB",
        help: "raise `limits.call_bytes` of the step; it may go up to 256 MiB",
    },
    Case {
        guest: "handle-hoarder",
        limit: LimitKind::Handles,
        value: 10,
        // The folder that it starts from is the tenth.
        attack: r#"{"file":"file","times":10}"#,
        below: r#"{"file":"file","times":9}"#,
        message: "it reached its limit `handles` of 10",
        help: "raise `limits.handles` of the step; it may go up to 1,024",
    },
    Case {
        guest: "folder-walker",
        limit: LimitKind::Handles,
        value: 16,
        // `loop` leads back to where it is: each level keeps a folder and a listing open.
        attack: r#"{"depth":100}"#,
        below: r#"{"depth":5}"#,
        message: "it reached its limit `handles` of 16",
        help: "raise `limits.handles` of the step; it may go up to 1,024",
    },
    Case {
        guest: "file-reader",
        limit: LimitKind::FilesRead,
        value: 5,
        attack: r#"{"file":"file","times":6,"bytes":1}"#,
        below: r#"{"file":"file","times":5,"bytes":1}"#,
        message: "it reached its limit `files_read` of 5",
        help: "raise `limits.files_read` of the step; it may go up to 10,000,000",
    },
    Case {
        guest: "file-reader",
        limit: LimitKind::FileBytesRead,
        value: 30,
        // The file has ten bytes.
        attack: r#"{"file":"file","times":4,"bytes":100}"#,
        below: r#"{"file":"file","times":3,"bytes":100}"#,
        message: "it reached its limit `file_bytes_read` of 30 B",
        help: "raise `limits.file_bytes_read` of the step; it may go up to 1 TiB",
    },
    Case {
        guest: "row-reader",
        limit: LimitKind::Rows,
        value: 2_500,
        attack: r#"{"connection":"data.db","statement":"2501"}"#,
        below: r#"{"connection":"data.db","statement":"2500"}"#,
        message: "it reached its limit `rows` of 2,500",
        help: "raise `limits.rows` of the step; it may go up to 1,000,000,000",
    },
    Case {
        guest: "tool-caller",
        limit: LimitKind::ToolCalls,
        value: 7,
        attack: r#"{"tool":"test:nothing","times":1000000}"#,
        below: r#"{"tool":"test:nothing","times":7}"#,
        message: "it reached its limit `tool_calls` of 7",
        help: "raise `limits.tool_calls` of the step; it may go up to 1,000",
    },
    Case {
        guest: "model-asker",
        limit: LimitKind::LlmCalls,
        value: 7,
        attack: r#"{"times":1000000}"#,
        below: r#"{"times":7}"#,
        message: "it reached its limit `llm_calls` of 7",
        help: "raise `limits.llm_calls` of the step; it may go up to 10,000",
    },
    Case {
        guest: "model-asker",
        limit: LimitKind::LlmTokens,
        value: 70,
        attack: r#"{"times":1000000}"#,
        below: r#"{"times":7}"#,
        message: "it reached its limit `llm_tokens` of 70",
        help: "raise `limits.llm_tokens` of the step; it may go up to 100,000,000",
    },
    Case {
        guest: "model-asker",
        limit: LimitKind::LlmCost,
        value: 21,
        attack: r#"{"times":1000000}"#,
        below: r#"{"times":7}"#,
        message: "it reached its limit `llm_cost` of 0.000021 USD",
        help: "raise `limits.llm_cost` of the step; it may go up to 100.00 USD",
    },
    Case {
        guest: "path-prober",
        limit: LimitKind::Denials,
        value: 10,
        attack: r#"{"paths":["/etc/passwd"],"times":1000000,"links":true}"#,
        // Each try asks for the path and, refused, for nothing more.
        below: r#"{"paths":["/etc/passwd"],"times":10,"links":true}"#,
        message: "it reached its limit `denials` of 10",
        help: "raise `limits.denials` of the step; it may go up to 100,000",
    },
    Case {
        guest: "file-writer",
        limit: LimitKind::FilesWritten,
        value: 6,
        // Taking them away again makes no room.
        attack: r#"{"acts":["make {n}","folder d{n}","unlink {n}"],"times":4,"fails":false}"#,
        below: r#"{"acts":["make {n}","folder d{n}","unlink {n}"],"times":3,"fails":false}"#,
        message: "it reached its limit `files_written` of 6",
        help: "raise `limits.files_written` of the step; it may go up to 1,000,000",
    },
    Case {
        guest: "file-writer",
        limit: LimitKind::BytesWritten,
        value: 100,
        attack: r#"{"acts":["write a 0 50","write a 0 51"],"times":1,"fails":false}"#,
        below: r#"{"acts":["write a 0 50","write a 0 50"],"times":1,"fails":false}"#,
        message: "it reached its limit `bytes_written` of 100 B",
        help: "raise `limits.bytes_written` of the step; it may go up to 64 GiB",
    },
];

/// A folder with a file of ten bytes, a link back to itself and something that may be asked as a database.
fn world() -> Dir {
    let dir = Dir::new();
    dir.write("data/file", "0123456789").write("data.db", "");
    std::os::unix::fs::symlink(".", dir.join("data/loop")).unwrap();
    dir
}

fn cases(guest: &str) -> impl Iterator<Item = &'static Case> {
    CASES.iter().filter(move |case| case.guest == guest)
}

fn attempt(guest: &Guest, case: &Case, config: &str) -> Attempt {
    let world = world();
    let setting = Setting::default().limit(LimitKind::Fuel, 100_000_000_000).limit(case.limit, case.value);
    // A folder to write to is a handle more.
    let writes: &[&str] = if case.guest == "file-writer" { &["out"] } else { &[] };
    let allow = ["call=test:nothing", "llm=big", "fs-write=out"];
    let setting = setting.files_with(world.path(), &["data"], writes, &["data.db"], &allow);
    guest.run(config, &setting)
}

/// Every limit of the table stops the guest and says so.
fn check_bites(guest: &str) {
    let Some(component) = Guest::hostile(guest) else { return };
    for case in cases(guest) {
        let attempt = attempt(&component, case, case.attack);
        let (limit, failure) = attempt.limit();
        assert_eq!(limit, case.limit, "{failure:?}");
        assert!(failure.message.starts_with(case.message), "{}", failure.message);
        assert!(failure.message.contains(", set by the step in the runbook"), "{}", failure.message);
        assert_eq!(failure.help.as_deref(), Some(case.help));
    }
}

/// Just below no limit stops it.
fn check_just_below(guest: &str) {
    let Some(component) = Guest::hostile(guest) else { return };
    for case in cases(guest) {
        let attempt = attempt(&component, case, case.below);
        assert!(attempt.result.is_ok(), "{}: {:?}", case.limit, attempt.result);
    }
}

/// The module of a guest that the table says all about.
macro_rules! by_table {
    ($module:ident, $guest:literal) => {
        mod $module {
            #[test]
            pub(super) fn bites() {
                super::check_bites($guest);
            }

            #[test]
            pub(super) fn just_below() {
                super::check_just_below($guest);
            }
        }
    };
}

by_table!(spin, "spin");
by_table!(memory_hog, "memory-hog");
by_table!(emit_flood, "emit-flood");
by_table!(limit_ignorer, "limit-ignorer");
by_table!(emit_huge, "emit-huge");
by_table!(handle_hoarder, "handle-hoarder");
by_table!(file_reader, "file-reader");
by_table!(row_reader, "row-reader");
by_table!(tool_caller, "tool-caller");
by_table!(model_asker, "model-asker");

mod file_writer {
    use super::*;

    fn run(acts: &[&str]) -> Option<Attempt> {
        let (guest, world) = (Guest::hostile("file-writer")?, world());
        let setting = Setting::default().limit(LimitKind::BytesWritten, 100);
        let setting = setting.files_with(world.path(), &["data"], &["out"], &[], &["fs-write=out"]);
        let config = serde_json::json!({"acts": acts, "times": 1, "fails": false});
        Some(guest.run(&config.to_string(), &setting))
    }

    /// Many more ways to write are in `writing.rs`.
    #[test]
    pub(super) fn bites() {
        check_bites("file-writer");
        // What fills no disk yet fills one where it is put.
        for acts in
            [&["size a 101"][..], &["write a 100 1"], &["size a 60", "size a 0", "size a 41"], &["stream a 101"]]
        {
            let Some(attempt) = run(acts) else { return };
            assert_eq!(attempt.limit().0, LimitKind::BytesWritten, "{acts:?}");
            assert_eq!(attempt.told.written, [], "{acts:?}");
        }
    }

    #[test]
    pub(super) fn just_below() {
        check_just_below("file-writer");
        for acts in [&["size a 100"][..], &["write a 99 1"], &["size a 60", "size a 0", "size a 40"], &["stream a 100"]]
        {
            let Some(attempt) = run(acts) else { return };
            assert!(attempt.result.is_ok(), "{acts:?}: {:?}", attempt.result);
        }
    }
}

mod huge_partial {
    use super::*;

    #[test]
    pub(super) fn bites() {
        check_bites("huge-partial");
        let Some(guest) = Guest::hostile("huge-partial") else { return };
        let failure = guest.run("1048577", &Setting::default()).result.unwrap_err();
        assert_eq!(failure.message, "the partial state has 1048577 bytes, at most 1048576 are allowed");
    }

    #[test]
    pub(super) fn just_below() {
        check_just_below("huge-partial");
    }
}

mod folder_walker {
    use super::*;

    /// Pages of memory that this process has now.
    fn resident_bytes() -> usize {
        let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
        statm.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4_096
    }

    #[test]
    pub(super) fn bites() {
        check_bites("folder-walker");
    }

    #[test]
    pub(super) fn just_below() {
        check_just_below("folder-walker");
    }

    #[test]
    fn so_many_names_fill_neither_memory_nor_time() {
        const NAMES: usize = 200_000;
        let Some(guest) = Guest::hostile("folder-walker") else { return };
        let dir = Dir::new();
        std::fs::create_dir(dir.join("data")).unwrap();
        for number in 0..NAMES {
            std::fs::File::create(dir.join(&format!("data/a-name-of-some-length-{number:010}"))).unwrap();
        }
        let setting = Setting::default().limit(LimitKind::Fuel, 100_000_000_000).files(dir.path(), &["data"], &[], &[]);
        let before = resident_bytes();
        let attempt = guest.run(r#"{"depth":0}"#, &setting);
        let grown = resident_bytes().saturating_sub(before);
        assert!(attempt.result.is_ok(), "{:?}", attempt.result);
        assert_eq!(attempt.told.log, [format!("{NAMES} names")]);
        assert!(attempt.usage.memory_peak_bytes < 1 << 20, "{} bytes", attempt.usage.memory_peak_bytes);
        // Other tests run beside this one, and the names alone have 7 MB.
        assert!(grown < 64 << 20, "{grown} bytes");
    }
}

mod deep_recursion {
    use super::*;

    #[test]
    pub(super) fn bites() {
        let Some(guest) = Guest::hostile("deep-recursion") else { return };
        let failure = guest.run(r#"{"depth":10000000}"#, &Setting::default()).result.unwrap_err();
        assert!(matches!(failure.kind, FailureKind::Trap { .. }), "{failure:?}");
        assert_eq!(failure.message, "it recursed deeper than its call stack of 512 KiB allows");
    }

    #[test]
    pub(super) fn just_below() {
        let Some(guest) = Guest::hostile("deep-recursion") else { return };
        let attempt = guest.run(r#"{"depth":2000}"#, &Setting::default());
        assert!(attempt.result.is_ok(), "{:?}", attempt.result);
    }
}

mod panic {
    use super::*;

    #[test]
    pub(super) fn bites() {
        let Some(guest) = Guest::hostile("panic") else { return };
        let failure = guest.run(r#"{"text":"the last page is missing"}"#, &Setting::default()).result.unwrap_err();
        assert!(failure.message.contains("the last page is missing"), "{}", failure.message);
        let FailureKind::Trap { frames } = &failure.kind else { panic!("{failure:?}") };
        let first = frames.first().unwrap();
        assert!(first.contains("read_the_last_page"), "{frames:?}");
        assert!(first.contains("lib.rs:"), "{frames:?}");
    }

    #[test]
    pub(super) fn just_below() {
        let Some(guest) = Guest::hostile("panic") else { return };
        assert!(guest.run(r#"{"text":""}"#, &Setting::default()).result.is_ok());
    }
}

mod log_flood {
    use super::*;

    fn flood(lines: u64) -> Option<Attempt> {
        let guest = Guest::hostile("log-flood")?;
        let setting = Setting::default().limit(LimitKind::LogBytes, 10_000).limit(LimitKind::Fuel, 100_000_000_000);
        Some(guest.run(&format!(r#"{{"lines":{lines}}}"#), &setting))
    }

    /// What is too much is dropped and counted; it is no failure, and skips are told all the same.
    #[test]
    pub(super) fn bites() {
        let Some(attempt) = flood(10_000) else { return };
        assert!(attempt.result.is_ok(), "{:?}", attempt.result);
        assert_eq!((attempt.told.log.len(), attempt.usage.log_bytes), (10, 10_000));
        assert_eq!(attempt.usage.log_bytes_dropped, 9_990_000 + "the restit is too much".len() as u64);
        assert_eq!(attempt.told.skips, [(String::new(), String::new())]);
    }

    #[test]
    pub(super) fn just_below() {
        let Some(attempt) = flood(9) else { return };
        assert_eq!((attempt.told.log.len(), attempt.usage.log_bytes_dropped), (9, 0));
        assert_eq!(attempt.told.skips, [("the rest".to_owned(), "it is too much".to_owned())]);
    }
}

mod emit_lines {
    use super::*;
    use palisade_model::Failure;
    use serde_json::json;

    fn emit(port: &str, line: &str) -> Option<Attempt> {
        let guest = Guest::hostile("emit-lines")?;
        let schema = json!({
            "type": "object",
            "x-palisade-items": "/lines",
            "properties": { "lines": { "type": "array", "items": {
                "type": "object",
                "required": ["text", "at"],
                "properties": { "text": { "type": "string" }, "at": { "type": "string", "x-palisade-stamp": "time" } },
            } } },
        });
        let setting = Setting::default().schema("hostile.line/1.0.0", &schema);
        Some(guest.run(&json!({"port": port, "lines": [r#"{"text":"good"}"#, line]}).to_string(), &setting))
    }

    /// The rule that an item breaks, at its number and path.
    fn broken(line: &str) -> Option<(String, String)> {
        match emit("out", line)?.result.unwrap_err() {
            Failure { kind: FailureKind::Schema { item: Some(1), path, rule, .. }, .. } => Some((path, rule)),
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    pub(super) fn bites() {
        let Some((path, rule)) = broken(r#"{"text":5}"#) else { return };
        assert_eq!((path.as_str(), rule.as_str()), ("/text", "type"));
        assert_eq!(broken("{}").unwrap().1, "required");
        assert!(broken(r#"{"text":"a","text":"b"}"#).is_some(), "a key that comes twice");
        assert!(broken(r#"{"text":"a","#).is_some(), "no JSON");
        assert_eq!(broken(r#"{"text":"a","at":"2000-01-01T00:00:00Z"}"#).unwrap().0, "/at", "a stamp is the host's");
        let failure = emit("nowhere", "{}").unwrap().result.unwrap_err();
        assert_eq!(failure.message, "there is no output port `nowhere`");
    }

    #[test]
    pub(super) fn just_below() {
        let Some(attempt) = emit("out", r#"{"text":"also good"}"#) else { return };
        assert!(attempt.result.is_ok(), "{:?}", attempt.result);
        assert!(attempt.told.emitted > 0);
    }

    #[test]
    fn a_host_call_that_takes_too_long_ends_at_the_wall() {
        let Some(guest) = Guest::hostile("emit-lines") else { return };
        let config = r#"{"port":"out","lines":["{}"]}"#;
        let stalled = |stall: u64| {
            let setting = Setting::default().limit(LimitKind::Wall, 500).stall(Duration::from_millis(stall));
            guest.run(config, &setting)
        };
        let began = Instant::now();
        assert_eq!(stalled(700).limit().0, LimitKind::Wall);
        assert!(began.elapsed() < Duration::from_secs(10));
        assert!(stalled(1).result.is_ok());
    }
}

mod path_prober {
    use super::*;

    /// What the paths lead to, without the names of preopen and path.
    fn probe(config: &str) -> Option<Vec<String>> {
        let guest = Guest::hostile("path-prober")?;
        let world = world();
        let attempt = guest.run(config, &Setting::default().files(world.path(), &["data"], &[], &[]));
        assert!(attempt.result.is_ok(), "{:?}", attempt.result);
        Some(attempt.told.log.iter().skip(1).filter_map(|line| line.rsplit('|').next()).map(str::to_owned).collect())
    }

    /// Many more ways out are in `filesystem.rs`.
    #[test]
    pub(super) fn bites() {
        let Some(seen) = probe(r#"{"paths":["../data.db","/etc/passwd","a/../../data.db"],"times":1,"links":true}"#)
        else {
            return;
        };
        assert_eq!(seen, ["Denied", "Denied", "Denied"]);
        check_bites("path-prober");
    }

    #[test]
    pub(super) fn just_below() {
        let Some(seen) =
            probe(r#"{"paths":["file","loop/file","loop/./file","./loop/loop/file"],"times":1,"links":true}"#)
        else {
            return;
        };
        assert_eq!(seen, ["0123456789"; 4]);
        check_just_below("path-prober");
    }
}

/// It asks a server on this machine, which has to be there first.
mod http_asker {
    use super::*;
    use palisade_tests::server::Server;

    /// A path, and how often it is asked.
    type Asks = (&'static str, u64);

    /// The limit, its value, and what reaches it and what stays below.
    const CASES: [(LimitKind, u64, Asks, Asks); 2] =
        [(LimitKind::HttpRequests, 3, ("/", 4), ("/", 3)), (LimitKind::HttpBytes, 10_000, ("/endless", 1), ("/", 10))];

    fn run(limit: LimitKind, value: u64, (path, times): Asks) -> Option<Attempt> {
        let (guest, server) = (Guest::hostile("http-asker")?, Server::start());
        let url = format!("http://localhost:{}", server.port());
        let config = format!(r#"{{"times": {times}, "requests": [{{"url": "{url}{path}"}}]}}"#);
        let setting = Setting::default().limit(limit, value).http(&[&url], &[], &[&format!("http={url}")]);
        Some(guest.run(&config, &setting))
    }

    #[test]
    pub(super) fn bites() {
        for (limit, value, attack, _) in CASES {
            let Some(attempt) = run(limit, value, attack) else { return };
            assert_eq!(attempt.limit().0, limit);
            assert!(attempt.usage.http_bytes <= 10_000 && attempt.usage.http_requests <= 3, "{:?}", attempt.usage);
        }
    }

    #[test]
    pub(super) fn just_below() {
        for (limit, value, _, below) in CASES {
            let Some(attempt) = run(limit, value, below) else { return };
            assert!(attempt.result.is_ok(), "{limit}: {:?}", attempt.result);
        }
    }
}
