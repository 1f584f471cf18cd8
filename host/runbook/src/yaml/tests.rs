//! The reader over good, bad and hostile texts.

use super::*;
use proptest::prelude::*;

fn json(text: &str) -> serde_json::Value {
    let source = Source::new("t.yaml", text);
    let (node, diagnostics) = read(&source, Budget::RUNBOOK, Dialect::V11);
    assert_eq!(diagnostics, [], "{text}");
    node.unwrap().to_json()
}

/// Codes with line and column, in order.
fn codes(text: &str) -> Vec<(Code, usize, usize)> {
    let budget = Budget { bytes: 100_000, depth: 8, nodes: 60, copied_bytes: 1_000 };
    let (_, diagnostics) = read(&Source::new("t.yaml", text), budget, Dialect::V11);
    diagnostics.iter().map(|d| (d.code, d.span.line, d.span.column)).collect()
}

#[test]
fn values_have_their_types_and_places() {
    let text = "a: 1\nß: [yes, 'yes', ~]\nc:\n  d: |\n    x\n    y\n  e: !!str 12\nf:\ng: 2\n";
    assert_eq!(
        json(text),
        serde_json::json!({"a": 1, "ß": [true, "yes", null], "c": {"d": "x\ny\n", "e": "12"}, "f": null, "g": 2})
    );
    let source = Source::new("t.yaml", text);
    let node = read(&source, Budget::RUNBOOK, Dialect::V11).0.unwrap();
    let place = |pointer: &str| {
        let span = node.nearest(pointer).span;
        (source.slice(span).to_owned(), span.line, span.column)
    };
    assert_eq!(place("/ß/1"), ("'yes'".to_owned(), 2, 10));
    assert_eq!(place("/f"), ("f".to_owned(), 8, 1));
    assert_eq!(place("/c/nowhere").1, 4);
    assert_eq!(node.entry("g").unwrap().key_span.line, 9);
}

#[test]
fn aliases_and_merges_copy() {
    let text = "a: &x {p: 1, q: 2}\nb: *x\nc: {<<: *x, q: 3}\nd: {<<: [{p: 4}, *x], r: 5}\n";
    assert_eq!(
        json(text),
        serde_json::json!({
            "a": {"p": 1, "q": 2}, "b": {"p": 1, "q": 2}, "c": {"p": 1, "q": 3}, "d": {"p": 4, "q": 2, "r": 5},
        })
    );
    assert_eq!(codes("a: {<<: 5}"), [(Code::MergeKey, 1, 9)]);
    assert_eq!(json("'<<': 5"), serde_json::json!({"<<": 5}));
}

#[test]
fn what_is_refused_is_refused_with_its_place() {
    assert_eq!(codes("a: 1\nb: 2\na: 3\n"), [(Code::DuplicateKey, 3, 1)]);
    assert_eq!(codes("on: 1\n"), [(Code::KeyNotText, 1, 1)]);
    assert_eq!(codes("? [a]\n: 1\n"), [(Code::KeyNotText, 1, 3)]);
    assert_eq!(codes("a: !!python/object x\n")[0].0, Code::Tag);
    assert_eq!(codes("a: !x {}\n")[0].0, Code::Tag);
    assert_eq!(codes("a: !!int x\n"), [(Code::Tag, 1, 4)]);
    assert_eq!(codes("a: 1\n---\nb: 2\n")[0].0, Code::SeveralDocuments);
    assert_eq!(codes("a: &x [*x]\n"), [(Code::Alias, 1, 8)]);
    assert_eq!(codes("a: *x\n")[0].0, Code::Syntax);
    assert_eq!(codes("a: [1\n")[0].0, Code::Syntax);
    assert_eq!(codes("a: .inf\n"), [(Code::Number, 1, 4)]);
    assert_eq!(codes("a: 2024-01-31\n"), [(Code::DateAsText, 1, 4)]);
    assert_eq!(codes("a: x\u{202e}y\n"), [(Code::HiddenCharacters, 1, 4)]);
    assert_eq!(codes(""), [(Code::EmptyDocument, 1, 1)]);
    assert_eq!(codes("# only this\n"), [(Code::EmptyDocument, 1, 1)]);
    assert_eq!(codes("a: 1\nb: 1\na: 2\nb: 2\n").len(), 2, "the first error is not the last");
}

#[test]
fn each_budget_bites_and_holds_just_below() {
    assert_eq!(codes(&format!("# {}", "x".repeat(99_998)))[0].0, Code::EmptyDocument);
    assert_eq!(codes(&format!("# {}", "x".repeat(99_999)))[0].0, Code::TooLarge);
    assert_eq!(codes(&format!("{}{}", "[".repeat(8), "]".repeat(8))), []);
    assert_eq!(codes(&format!("{}{}", "[".repeat(9), "]".repeat(9)))[0].0, Code::TooDeep);
    assert_eq!(codes(&"[".repeat(5_000))[0].0, Code::TooDeep);
    assert_eq!(codes(&format!("[{}]", "1,".repeat(59))), []);
    assert_eq!(codes(&format!("[{}]", "1,".repeat(60)))[0].0, Code::TooManyNodes);
    let bomb = "a: &a [1,1]\nb: &b [*a,*a]\nc: &c [*b,*b]\nd: &d [*c,*c]\ne: [*d,*d]\n";
    assert_eq!(codes(bomb)[0].0, Code::TooManyNodes);
    let text = format!("a: &a {}\nb: [*a]\n", "x".repeat(500));
    assert_eq!(codes(&text), []);
    assert_eq!(codes(&text.replace("[*a]", "[*a, *a]"))[0].0, Code::TooManyNodes);
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the test bounds the time that reading takes")]
fn hostile_shapes_end_soon() {
    let big = 300_000;
    for text in [
        "[".repeat(big),
        "{".repeat(big),
        "- ".repeat(big),
        "? ".repeat(big),
        "a: ".repeat(big),
        "&a ".repeat(big),
        "!a ".repeat(big),
        "\"".repeat(big),
        "{a: ".repeat(big),
        " ".repeat(big),
        "\n".repeat(big),
        "\t".repeat(big),
        "- a\n".repeat(big / 4),
        "a\n".repeat(big / 2),
        "[a, ".repeat(big / 4),
        "%TAG ! x\n".repeat(big / 10),
        (0..big / 20).map(|n| format!("{}k{n}:\n", " ".repeat(n % 50))).collect(),
    ] {
        let started = std::time::Instant::now();
        let _ = read(&Source::new("t", text.as_str()), Budget::RUNBOOK, Dialect::V11);
        assert!(started.elapsed().as_secs() < 5, "{:?} took {:?}", &text[..10], started.elapsed());
    }
}

fn yaml_like() -> impl Strategy<Value = String> {
    let piece = proptest::sample::select(vec![
        "a",
        "b: ",
        "- ",
        "? ",
        ": ",
        "\n",
        "  ",
        "    ",
        "[",
        "]",
        "{",
        "}",
        ",",
        "&x ",
        "*x",
        "!t ",
        "!!int ",
        "|\n",
        ">-\n",
        "'",
        "\"",
        "\\",
        "#",
        "---\n",
        "...\n",
        "%YAML 1.1\n",
        "<<: ",
        "\t",
        "é",
        "\u{feff}",
        "\r\n",
        "\u{85}",
        "~",
        "1:30",
        "\0",
        "\u{2028}",
        "@",
        "`",
        "\\x41",
        "\\u",
        "|2\n",
        "|-9\n",
        ">+\n",
    ]);
    proptest::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3_000, ..ProptestConfig::default() })]

    #[test]
    fn any_text_ends_in_a_tree_or_an_error(text in prop_oneof![yaml_like(), "\\PC{0,200}", any::<String>()]) {
        for dialect in [Dialect::V11, Dialect::V12] {
            let source = Source::new("t", text.as_str());
            let (node, diagnostics) = read(&source, Budget::RUNBOOK, dialect);
            prop_assert!(node.is_some() || diagnostics.iter().any(Diagnostic::is_error));
            for diagnostic in &diagnostics {
                prop_assert!(!diagnostic.render(&source).is_empty());
            }
            let _ = node.map(|node| node.to_json());
        }
    }
}
