//! What an author can rely on, tried through the public API and without wasm.

use std::borrow::Cow;

use palisade_sdk::{
    Analyser, ConfigSchema, Context, Description, Failure, FailureKind, HostError, HostErrorKind, Input, Level,
    Metadata, NoConfig, Property, Result, TestContext, TestInput,
    fs::{self, FileKind, FsErrorKind, Links},
    limit, llm,
    serde::{Deserialize, Serialize},
    serde_json::{Value, json},
    sql,
};

#[derive(Deserialize)]
#[serde(crate = "palisade_sdk::serde")]
struct Document {
    content: String,
}

#[derive(Serialize)]
#[serde(crate = "palisade_sdk::serde")]
struct Length {
    item: u64,
    length: usize,
}

fn description() -> Description {
    Description::analyser("example:test", "1.0.0", "Tests")
        .input(Input::new("documents").accepts("standard_input/1").per_item())
        .input(Input::new("more").accepts("standard_input/1").optional())
        .output("lengths", "example.lengths/1.0.0")
}

fn documents(count: usize) -> impl Iterator<Item = Value> {
    (0..count).map(|item| json!({"content": "x".repeat(item)}))
}

/// Emits each item's number and length; counts in its partial state.
struct Lengths;

impl Analyser for Lengths {
    type Config = NoConfig;
    type Partial = u64;

    fn describe() -> Description {
        description()
    }

    fn run(ctx: &Context, _: NoConfig) -> Result<u64> {
        let mut count = 0;
        for document in ctx.items::<Document>("documents").numbered() {
            let (item, document) = document?;
            ctx.emit("lengths", &Length { item, length: document.content.len() })?;
            count += 1;
        }
        Ok(count)
    }

    fn finish(_: &Context, _: NoConfig, partials: Vec<u64>) -> Result<Vec<Metadata>> {
        Ok(vec![Metadata::new("lengths", &json!({"count": partials.iter().sum::<u64>()}))?])
    }
}

#[test]
fn items_come_in_order_with_their_numbers_for_any_number_of_parts() {
    let whole = TestContext::new().input("documents", documents(10)).run::<Lengths>();
    assert_eq!(whole.items("lengths").len(), 10);
    assert_eq!(whole.items("lengths")[7], json!({"item": 7, "length": 7}));
    assert_eq!(whole.metadata["lengths"], json!({"count": 10}));
    for parts in [2, 3, 10, 25] {
        let split = TestContext::new().input("documents", documents(10)).parts(parts).run::<Lengths>();
        assert_eq!(split.lines("lengths"), whole.lines("lengths"), "{parts} parts");
        assert_eq!(split.metadata, whole.metadata, "{parts} parts");
    }
}

#[test]
fn an_input_of_many_batches_keeps_its_order() {
    let lines: String = (0..5000).map(|item| format!("{{\"content\":\"{}\"}}\n", "y".repeat(item % 500))).collect();
    assert!(lines.len() > 4 * (256 << 10));
    let outcome = TestContext::new().artifact(TestInput::lines("documents", lines)).run::<Lengths>();
    let items = outcome.items("lengths");
    assert_eq!(items.len(), 5000);
    assert!((0_u64..).zip(&items).all(|(number, item)| item["item"] == number && item["length"] == number % 500));
}

#[test]
fn a_bad_item_is_named_by_port_and_number() {
    let outcome =
        TestContext::new().input("documents", [json!({"content": "a"}), json!({"content": 1})]).run::<Lengths>();
    let failure = outcome.failure();
    assert_eq!(failure.kind, FailureKind::BadInput);
    let at = failure.at.as_ref().unwrap();
    assert_eq!((at.port.as_str(), at.item), ("documents", 1));
    assert!(failure.message.contains("invalid type"), "{failure}");
}

#[derive(Deserialize)]
#[serde(crate = "palisade_sdk::serde")]
struct Borrowed<'a> {
    #[serde(borrow)]
    content: Cow<'a, str>,
}

/// Says for each item whether its text was borrowed from the batch.
struct Borrows;

impl Analyser for Borrows {
    type Config = NoConfig;
    type Partial = ();

    fn describe() -> Description {
        description()
    }

    fn run(ctx: &Context, _: NoConfig) -> Result<()> {
        ctx.for_each_item("documents", |item| {
            let document: Borrowed<'_> = item.parse()?;
            let borrowed = matches!(document.content, Cow::Borrowed(_));
            ctx.emit_line("lengths", &format!("{{\"item\":{},\"borrowed\":{borrowed}}}", item.number()))
        })
    }
}

#[test]
fn items_can_borrow_while_others_are_emitted() {
    let outcome = TestContext::new()
        .input("documents", [json!({"content": "plain"}), json!({"content": "two\nlines"})])
        .run::<Borrows>();
    let expected = [json!({"item": 0, "borrowed": true}), json!({"item": 1, "borrowed": false})];
    assert_eq!(outcome.items("lengths"), expected);
}

/// Runs a function as an analyser, for tests of single calls.
macro_rules! analyser {
    ($name:ident, |$ctx:ident| $body:block) => {
        struct $name;
        impl Analyser for $name {
            type Config = NoConfig;
            type Partial = ();
            fn describe() -> Description {
                description()
            }
            fn run($ctx: &Context, _: NoConfig) -> Result<()> {
                $body
            }
        }
    };
}

#[test]
fn ports_that_the_manifest_lacks_are_refused() {
    analyser!(Reads, |ctx| { ctx.items::<Document>("documnets").try_for_each(|item| item.map(drop)) });
    let outcome = TestContext::new().run::<Reads>();
    assert!(outcome.failure().message.contains("documnets"), "{}", outcome.failure());

    analyser!(Writes, |ctx| { ctx.emit("lenghts", &json!({})) });
    assert!(TestContext::new().run::<Writes>().failure().message.contains("lenghts"));

    let outcome = TestContext::new().input("nothing", []).run::<Lengths>();
    assert!(outcome.failure().message.contains("nothing"));
}

#[test]
fn an_optional_port_left_open_has_no_items() {
    analyser!(Optional, |ctx| {
        assert_eq!(ctx.inputs("more").count(), 0);
        ctx.items::<Document>("more").try_for_each(|item| item.map(drop))
    });
    assert_eq!(TestContext::new().run::<Optional>().result, Ok(()));
}

#[test]
fn an_artifact_says_what_it_is() {
    analyser!(Says, |ctx| {
        let info = ctx.inputs("documents").next().unwrap().info();
        assert_eq!((info.schema.as_str(), info.version.as_str()), ("standard_input", "1.0.0"));
        assert_eq!((info.item_count, info.byte_count), (1, 15));
        let metadata: Value = info.metadata()?;
        assert_eq!(metadata["name"], "sample");
        Ok(())
    });
    let input = TestInput::new("documents", [json!({"content": ""})]).metadata(json!({"name": "sample"}));
    assert_eq!(TestContext::new().artifact(input).run::<Says>().result, Ok(()));
}

#[test]
fn output_is_bounded_at_exactly_the_limit() {
    analyser!(Emits, |ctx| { ctx.emit("lengths", &json!({"a": 1})) });
    let bytes = "{\"a\":1}\n".len() as u64;
    assert_eq!(TestContext::new().limit(limit::OUTPUT_BYTES, bytes).run::<Emits>().result, Ok(()));
    let outcome = TestContext::new().limit(limit::OUTPUT_BYTES, bytes - 1).run::<Emits>();
    assert!(outcome.failure().message.contains("output-bytes"), "{}", outcome.failure());
}

#[test]
fn a_large_item_is_handed_over_by_itself() {
    analyser!(Large, |ctx| {
        ctx.emit("lengths", &json!({"small": "s".repeat(100 << 10)}))?;
        ctx.emit("lengths", &json!({"large": "l".repeat(200 << 10)}))?;
        ctx.emit("lengths", &json!({"small": 2}))
    });
    let call_bytes = (200 << 10) + "{\"large\":\"\"}\n".len() as u64;
    let outcome = TestContext::new().limit(limit::CALL_BYTES, call_bytes).run::<Large>();
    assert_eq!(outcome.items("lengths").len(), 3);
    assert!(TestContext::new().limit(limit::CALL_BYTES, call_bytes - 1).run::<Large>().result.is_err());
}

#[test]
fn what_is_not_one_line_of_json_is_refused() {
    analyser!(Lines, |ctx| {
        ctx.items::<Document>("documents").try_for_each(|item| ctx.emit_line("lengths", &item?.content))
    });
    for line in ["", "{}\n{}", "{}\r"] {
        let outcome = TestContext::new().input("documents", [json!({"content": line})]).run::<Lines>();
        assert!(outcome.failure().message.contains("one line"), "{line:?}");
    }
}

#[derive(Deserialize)]
#[serde(crate = "palisade_sdk::serde", deny_unknown_fields)]
struct Config {
    most: u64,
    mode: String,
}

struct Configured;

impl Analyser for Configured {
    type Config = Config;
    type Partial = ();

    fn describe() -> Description {
        let mode = Property::one_of(["strict", "lenient"]).default("strict");
        description().config(ConfigSchema::new().required("most", Property::integer().min(1)).property("mode", mode))
    }

    fn run(ctx: &Context, config: Config) -> Result<()> {
        ctx.log().info(format!("{} {}", config.most, config.mode));
        Ok(())
    }
}

#[test]
fn defaults_are_filled_in_and_unknown_or_wrong_keys_refused() {
    let outcome = TestContext::new().config(json!({"most": 3})).run::<Configured>();
    assert_eq!(outcome.logs, [(Level::Info, "3 strict".to_owned())]);
    for (config, text) in
        [(json!({"most": 3, "mots": 4}), "mots"), (json!({}), "most"), (json!({"most": "3"}), "invalid type")]
    {
        let outcome = TestContext::new().config(config).run::<Configured>();
        assert_eq!(outcome.failure().kind, FailureKind::BadConfig);
        assert!(outcome.failure().message.contains(text), "{}", outcome.failure());
    }
}

#[test]
fn people_are_told() {
    analyser!(Tells, |ctx| {
        ctx.log().warn("careful");
        ctx.progress(1, 2, "half");
        ctx.progress(2, None, "done");
        ctx.skip("a.bin", "not text");
        assert_eq!(ctx.limits().get(limit::FUEL), Some(7));
        assert_eq!(ctx.limits().rows(), None);
        Err(Failure::unavailable("gone").at("documents", 3).help("try later"))
    });
    let outcome = TestContext::new().limit(limit::FUEL, 7).run::<Tells>();
    assert_eq!(outcome.logs, [(Level::Warn, "careful".to_owned())]);
    assert_eq!(outcome.skips, [("a.bin".to_owned(), "not text".to_owned())]);
    assert_eq!(outcome.progress, Some((2, None, "done".to_owned())));
    assert_eq!(outcome.failure().to_string(), "gone (port `documents`, item 3); help: try later");
}

#[test]
fn metadata_is_an_object_of_at_most_a_mebibyte() {
    assert!(Metadata::new("lengths", &json!([1])).is_err());
    let text = |bytes: usize| json!({"a": "x".repeat(bytes - r#"{"a":""}"#.len())});
    assert!(Metadata::new("lengths", &text(1 << 20)).is_ok());
    assert!(Metadata::new("lengths", &text((1 << 20) + 1)).is_err());
}

#[test]
fn files_are_read_below_the_opened_folder_only() {
    analyser!(Files, |ctx| {
        let [(name, root)] = fs::preopens(ctx).try_into().unwrap();
        assert_eq!(name, "data");
        let mut names: Vec<_> = root.entries()?.collect::<Result<_, _>>()?;
        names.sort_by(|a, b| a.name.cmp(&b.name));
        let names: Vec<_> = names.iter().map(|entry| (entry.name.as_str(), entry.kind)).collect();
        let expected = [
            ("a.txt", FileKind::File),
            ("deep", FileKind::Directory),
            ("inside", FileKind::Link),
            ("outside", FileKind::Link),
            ("pipe", FileKind::Special),
            ("secret", FileKind::File),
            ("self", FileKind::Link),
        ];
        assert_eq!(names, expected);
        let kind_of = |path: &str| root.open_file(path, Links::Follow).map(drop).unwrap_err().kind;
        assert_eq!(kind_of("../other.txt"), FsErrorKind::Denied);
        assert_eq!(kind_of("/data/a.txt"), FsErrorKind::Denied);
        assert_eq!(kind_of("outside"), FsErrorKind::Denied);
        assert_eq!(kind_of("secret"), FsErrorKind::Denied);
        assert_eq!(kind_of("pipe"), FsErrorKind::Unsupported);
        assert_eq!(kind_of("self"), FsErrorKind::Loop);
        assert_eq!(kind_of("deep"), FsErrorKind::IsADirectory);
        assert_eq!(kind_of("missing"), FsErrorKind::NotFound);
        assert_eq!(root.open_directory("a.txt", Links::Keep).unwrap_err().kind, FsErrorKind::NotADirectory);
        assert_eq!(root.open_file("inside", Links::Keep).unwrap_err().kind, FsErrorKind::Loop);
        assert_eq!(root.stat_at("inside", Links::Follow)?.size, 4);
        let deep = root.open_directory("deep/er", Links::Follow)?;
        let file = deep.open_file("b.txt", Links::Keep)?;
        assert_eq!(file.read_all(5)?, b"fives");
        assert_eq!(file.read_all(4).unwrap_err().kind, FsErrorKind::TooLarge);
        assert_eq!(file.read_at(3, 10)?, (b"es".to_vec(), true));
        assert_eq!(deep.open_file("../../inside", Links::Follow)?.read_all(10)?, b"four");
        Ok(())
    });
    let outcome = TestContext::new()
        .folder("data")
        .file("data/a.txt", "four")
        .file("data/deep/er/b.txt", "fives")
        .file("other.txt", "secret")
        .link("data/inside", "deep/../a.txt")
        .link("data/outside", "../other.txt")
        .link("data/self", "self")
        .special_file("data/pipe")
        .unreadable_file("data/secret")
        .run::<Files>();
    assert_eq!(outcome.result, Ok(()));
}

#[test]
fn files_are_counted_at_exactly_the_limit() {
    analyser!(Opens, |ctx| {
        let (_, root) = fs::preopens(ctx).pop().unwrap();
        for name in ["a", "b"] {
            root.open_file(name, Links::Keep)?.read_all(10)?;
        }
        Ok(())
    });
    let test = || TestContext::new().file("a", "1").file("b", "22");
    assert_eq!(test().limit(limit::FILES_READ, 2).limit(limit::FILE_BYTES_READ, 3).run::<Opens>().result, Ok(()));
    assert!(test().limit(limit::FILES_READ, 1).run::<Opens>().result.is_err());
    assert!(test().limit(limit::FILE_BYTES_READ, 2).run::<Opens>().result.is_err());
}

#[test]
fn rows_are_typed_and_counted() {
    analyser!(Queries, |ctx| {
        let mut rows = sql::query(ctx, "db", "SELECT * FROM t WHERE a = ?", &[1_i64.into()])?;
        assert_eq!(rows.columns()[0].name, "a");
        let first = rows.next().unwrap()?;
        assert_eq!(first, [sql::Value::Integer(80), sql::Value::Real(80.0), sql::Value::Blob(vec![0, 159, 255, 1])]);
        let second = rows.next().unwrap()?;
        assert_eq!(second, [sql::Value::Null, sql::Value::Real(f64::INFINITY), sql::Value::from("a\n\"b")]);
        assert!(rows.next().is_none());
        let refused = sql::query(ctx, "db", "DROP TABLE t", &[]).unwrap_err();
        assert_eq!(refused.kind, HostErrorKind::Denied);
        Ok(())
    });
    let test = || {
        let rows = [
            vec![sql::Value::Integer(80), sql::Value::Real(80.0), sql::Value::Blob(vec![0, 159, 255, 1])],
            vec![sql::Value::Null, sql::Value::Real(f64::INFINITY), sql::Value::from("a\n\"b")],
        ];
        let denied = HostError::new(HostErrorKind::Denied, "denied");
        TestContext::new()
            .rows("db", "SELECT * FROM t WHERE a = ?", [1_i64.into()], [("a", "INT"), ("b", ""), ("c", "")], rows)
            .rows_error("db", "DROP TABLE t", [], denied)
    };
    assert_eq!(test().limit(limit::ROWS, 2).run::<Queries>().result, Ok(()));
}

#[test]
fn models_answer_as_a_test_tells_them_and_are_counted() {
    analyser!(Asks, |ctx| {
        for document in ctx.items::<Document>("documents") {
            let schema = json!({"type": "integer"});
            let length: usize = llm::ask(ctx).system("count").user(document?.content).schema(&schema).json()?;
            ctx.emit("lengths", &Length { item: 0, length })?;
        }
        Ok(())
    });
    let test = || TestContext::new().input("documents", documents(3));
    let ask = |calls: u64, said: &'static str| {
        let answer = move |question: &llm::Question| {
            assert_eq!(
                (question.messages.len(), question.output_schema.as_deref()),
                (2, Some(r#"{"type":"integer"}"#))
            );
            let usage = llm::Usage { calls: 1, tokens: 10, cost: 3 };
            Ok(llm::Answer { content: said.to_owned(), usage, ..llm::Answer::default() })
        };
        test().limit(limit::LLM_CALLS, calls).models(answer).run::<Asks>()
    };
    assert_eq!(ask(3, "7").items("lengths").len(), 3);
    assert!(ask(2, "7").failure().message.contains("llm-calls"));
    assert_eq!(ask(3, "seven").failure().kind, FailureKind::Unavailable);
    assert_eq!(test().run::<Asks>().failure().message, "not allowed");
}

#[test]
fn rows_beyond_the_limit_are_refused() {
    analyser!(Queries, |ctx| { sql::query(ctx, "db", "SELECT 1", &[])?.try_for_each(|row| row.map(drop)) });
    let test = || TestContext::new().rows("db", "SELECT 1", [], [("1", "")], [vec![sql::Value::Integer(1)]]);
    assert_eq!(test().limit(limit::ROWS, 1).run::<Queries>().result, Ok(()));
    assert!(test().limit(limit::ROWS, 0).run::<Queries>().result.is_err());
}

/// Writes, reads back, renames and removes, and says of each attempt that fails how it did.
struct Writes;

impl Analyser for Writes {
    type Config = NoConfig;
    type Partial = ();

    fn describe() -> Description {
        description()
    }

    fn run(ctx: &Context, _: NoConfig) -> Result<()> {
        let (name, folder) = fs::write_folders(ctx).into_iter().next().ok_or(Failure::failed("nowhere to write"))?;
        assert_eq!(name, "out/");
        folder.create_directory("sub")?;
        folder.write("sub/a", b"one")?;
        let file = folder.create_file("b")?;
        file.write_at(2, b"two")?;
        assert_eq!(file.read_at(0, 10)?, (b"\0\0two".to_vec(), true));
        file.set_size(4)?;
        let kinds = [
            folder.write("sub/a", b"").unwrap_err().kind,
            folder.write("none/a", b"").unwrap_err().kind,
            folder.write("b/a", b"").unwrap_err().kind,
            folder.write("../a", b"").unwrap_err().kind,
            folder.remove_file("sub").unwrap_err().kind,
            folder.remove_directory("sub").unwrap_err().kind,
            folder.rename("sub", "sub/inner").unwrap_err().kind,
            folder.rename("b", "sub").unwrap_err().kind,
        ];
        use FsErrorKind::{BadName, Denied, Exists, IsADirectory, NotADirectory, NotEmpty, NotFound};
        let expected = [Exists, NotFound, NotADirectory, Denied, IsADirectory, NotEmpty, BadName, IsADirectory];
        assert_eq!(kinds, expected);
        folder.rename("sub", "kept")?;
        folder.write("gone", b"x")?;
        folder.remove_file("gone")?;
        match folder.write("large", &[0; 100]) {
            Err(error) if error.kind == FsErrorKind::LimitExceeded => Err(Failure::failed("too much")),
            _ => Ok(folder.remove_file("large")?),
        }
    }
}

#[test]
fn what_is_written_is_told_unless_it_failed() {
    let written = TestContext::new().write_folder("out/").run::<Writes>();
    written.result.as_ref().unwrap();
    let told: Vec<_> = written.written.iter().map(|(path, bytes)| (path.as_str(), bytes.as_slice())).collect();
    assert_eq!(told, [("out/b", b"\0\0tw".as_slice()), ("out/kept/a", b"one")]);
    let over = TestContext::new().write_folder("out/").limit(limit::BYTES_WRITTEN, 100).run::<Writes>();
    assert_eq!((over.failure().message.as_str(), over.written.len()), ("too much", 0));
    let nowhere = TestContext::new().run::<Writes>();
    assert_eq!(nowhere.failure().message, "nowhere to write");
}
