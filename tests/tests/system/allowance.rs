//! Fuel and output grow with the input that the host hands out: once for each byte, whoever reads it and however often.

use palisade_model::LimitKind;
use palisade_tests::Dir;
use palisade_tests::guest::{Guest, Setting};

#[test]
fn a_file_that_is_opened_again_gives_no_more() {
    let Some(guest) = Guest::hostile("file-reader") else { return };
    let dir = Dir::new();
    dir.write("data/file", "0123456789");
    let setting = Setting::default().files(dir.path(), &["data"], &[], &[]);
    let read = |times: u64, bytes: u64| {
        let attempt = guest.run(&format!(r#"{{"file":"file","times":{times},"bytes":{bytes}}}"#), &setting);
        assert!(attempt.result.is_ok(), "{:?}", attempt.result);
        (attempt.usage.input_bytes, attempt.usage.file_bytes_read)
    };
    assert_eq!(read(1, 4), (4, 4));
    assert_eq!(read(1, 100), (10, 10));
    assert_eq!(read(50, 100), (10, 500));
}

#[test]
fn rows_that_are_asked_for_again_give_no_more() {
    let Some(guest) = Guest::hostile("row-reader") else { return };
    let dir = Dir::new();
    dir.write("data.db", "");
    let setting = Setting::default().files(dir.path(), &[], &["data.db"], &[]);
    // The database of the test has as many rows as the statement says, each of four bytes.
    let read = |rows: u64| {
        let attempt = guest.run(&format!(r#"{{"connection":"data.db","statement":"{rows}"}}"#), &setting);
        assert!(attempt.result.is_ok(), "{:?}", attempt.result);
        (attempt.usage.input_bytes, attempt.usage.file_bytes_read)
    };
    assert_eq!(read(1_000), (4_000, 4_000));
    assert_eq!(read(1_000_000), (4_000_000, 4_000_000));
    let setting = setting.limit(LimitKind::Rows, 2_000_000);
    let attempt = guest.run(r#"{"connection":"data.db","statement":"2000000"}"#, &setting);
    assert_eq!((attempt.usage.input_bytes, attempt.usage.file_bytes_read), (6 << 20, 8_000_000));
}

#[test]
fn what_every_instance_gets_counts_once() {
    let Some(guest) = Guest::built("hello", "hello") else { return };
    let lines = "{\"content\":\"one two\"}\n";
    let setting = Setting::default().input("documents", lines);
    let input_bytes = |instances| {
        let attempt = guest.run_over_all("{}", &setting, instances);
        assert!(attempt.result.is_ok(), "{:?}", attempt.result);
        assert_eq!(attempt.usage.instances, instances as u64);
        attempt.usage.input_bytes
    };
    assert_eq!((input_bytes(1), input_bytes(4)), (lines.len() as u64, lines.len() as u64));
}
