//! Components of other toolchains (`cargo xtask foreign`): they load and run, and what they import of WASI without need
//! gives them nothing.

use palisade_model::LimitKind;
use palisade_tests::Dir;
use palisade_tests::guest::{Attempt, Guest, Setting};

fn setting() -> Setting {
    Setting::default().limit(LimitKind::Fuel, 100_000_000_000)
}

/// Runs it twice, over the same: time and randomness are the same in every run.
fn run(guest: &Guest, setting: &Setting) -> Attempt {
    let (once, again) = (guest.run("{}", setting), guest.run("{}", setting));
    assert!(once.result.is_ok(), "{:?}", once.result);
    assert_eq!(once.told.log, again.told.log);
    once
}

#[track_caller]
fn assert_logged(attempt: &Attempt, lines: &[&str]) {
    for line in lines {
        assert!(attempt.told.log.iter().any(|told| told == line), "no `{line}` in {:#?}", attempt.told.log);
    }
}

#[test]
fn a_python_component_counts_words_and_finds_an_empty_world() {
    let Some(guest) = Guest::built("foreign", "python") else { return };
    let items = "{\"content\":\"one two three\"}\n{\"content\":\"\"}\n";
    let attempt = run(&guest, &setting().input("documents", items));
    assert_eq!(attempt.told.emitted, "{\"words\": 3}\n{\"words\": 0}\n".len());
    assert_logged(
        &attempt,
        &[
            "arguments: 0",
            "environment: 0",
            "list /: FileNotFoundError",
            "read /etc/passwd: FileNotFoundError",
            "write /tmp/x: FileNotFoundError",
            "input: ''",
            "tcp out: PermissionError",
            "tcp in: PermissionError",
            "udp: PermissionError",
            "name: gaierror",
            "day: 946684800",
            "slept: 3600",
        ],
    );
    assert!(attempt.told.log.iter().any(|line| line.starts_with("random: '")), "{:#?}", attempt.told.log);
}

#[test]
fn a_wasip2_component_finds_an_empty_world() {
    let Some(guest) = Guest::built("foreign", "wasip2") else { return };
    let attempt = run(&guest, &setting());
    assert_logged(
        &attempt,
        &[
            "arguments: 0",
            "environment: 0",
            "list /: None",
            "list .: None",
            "list data: None",
            "read data/file: None",
            "write data/new: false",
            "input: Some(0)",
            "to stdout",
            "to stderr",
            "day: Some(946684800)",
            "slept: 3600",
        ],
    );
    assert!(attempt.told.log.iter().any(|line| line.starts_with("random: ")), "{:#?}", attempt.told.log);
}

#[test]
fn a_wasip2_component_reads_what_the_config_names_and_changes_nothing() {
    let Some(guest) = Guest::built("foreign", "wasip2") else { return };
    let dir = Dir::new();
    dir.write("data/file", "inside").write("beside", "secret");
    let attempt = run(&guest, &setting().files(dir.path(), &["data"], &[], &[]));
    assert_logged(
        &attempt,
        &[
            "list /: None",
            "list data: Some(1)",
            "read data/file: Some(\"inside\")",
            "write data/new: false",
            "remove data/file: false",
            "rename data/file: false",
            "create data/folder: false",
            "modified data/file: false",
        ],
    );
    assert_eq!(std::fs::read_dir(dir.join("data")).map(Iterator::count).ok(), Some(1));
}
