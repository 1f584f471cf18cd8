//! Components of other toolchains (`cargo xtask foreign`): they load and run, and what they import of WASI without need
//! gives them nothing.

use palisade_model::LimitKind;
use palisade_tests::Dir;
use palisade_tests::guest::{Guest, Setting};

fn setting() -> Setting {
    Setting::default().limit(LimitKind::Fuel, 100_000_000_000)
}

#[test]
fn a_python_component_counts_words() {
    let Some(guest) = Guest::built("foreign", "python") else { return };
    let items = "{\"content\":\"one two three\"}\n{\"content\":\"\"}\n";
    let attempt = guest.run("{}", &setting().input("documents", items));
    assert!(attempt.result.is_ok(), "{:?}", attempt.result);
    assert_eq!(attempt.told.emitted, "{\"words\": 3}\n{\"words\": 0}\n".len());
}

#[test]
fn a_wasip2_component_finds_an_empty_world() {
    let Some(guest) = Guest::built("foreign", "wasip2") else { return };
    let attempt = guest.run("{}", &setting());
    assert!(attempt.result.is_ok(), "{:?}", attempt.result);
    let day = attempt.told.log.iter().find(|line| line.starts_with("day: "));
    assert_eq!(day.map(String::as_str), Some("day: Some(946684800)"));
    for line in [
        "environment: 0",
        "list /: None",
        "list .: None",
        "list data: None",
        "read data/file: None",
        "write data/new: false",
        "input: Some(0)",
        "to stdout",
        "to stderr",
        "slept: 3600",
    ] {
        assert!(attempt.told.log.iter().any(|told| told == line), "{line} in {:?}", attempt.told.log);
    }
    let again = guest.run("{}", &setting());
    assert_eq!(attempt.told.log, again.told.log, "time and randomness are the same in every run");
}

#[test]
fn a_wasip2_component_reads_what_the_config_names_and_changes_nothing() {
    let Some(guest) = Guest::built("foreign", "wasip2") else { return };
    let dir = Dir::new();
    dir.write("data/file", "inside").write("beside", "secret");
    let attempt = guest.run("{}", &setting().files(dir.path(), &["data"], &[], &[]));
    assert!(attempt.result.is_ok(), "{:?}", attempt.result);
    for line in [
        "list /: None",
        "list data: Some(1)",
        "read data/file: Some(\"inside\")",
        "write data/new: false",
        "remove data/file: false",
        "rename data/file: false",
        "create data/folder: false",
        "modified data/file: None",
    ] {
        assert!(attempt.told.log.iter().any(|told| told == line), "{line} in {:?}", attempt.told.log);
    }
    assert_eq!(std::fs::read_dir(dir.join("data")).map(Iterator::count).ok(), Some(1));
}
