//! Whatever is fed in: no panic, no answer that takes long, and a plan or an error that says why there is none.

use crate::corpus::{cases, world};
use crate::support::{World, demo};
use palisade_runbook::{Condition, Diagnostic, Source};
use proptest::prelude::*;
use std::time::Instant;

/// Longest time for all of one test, far above what it takes.
const MOST_SECONDS: u64 = 300;

/// A small generator, so that a failure is the same everywhere.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % bound.max(1) as u64).unwrap()
    }
}

fn check(world: &World, bytes: Vec<u8>) {
    if let Ok(source) = Source::from_bytes("x.yaml", bytes) {
        // That there is a plan or an error, `check` sees to.
        let (_, found) = world.check(&source, &demo, &|_| None);
        for (source, found) in &found {
            assert!(!found.render(source).is_empty());
            assert!(found.span.start <= found.span.end && found.span.end <= source.text().len(), "{found:?}");
        }
    }
}

#[test]
fn a_runbook_that_lost_a_line_or_a_byte_is_judged() {
    let valid: Vec<(World, Vec<u8>)> =
        cases("valid").iter().map(|case| (world(case), std::fs::read(case.join("runbook.yaml")).unwrap())).collect();
    let mut random = Random(0x5eed_2026_1125);
    let started = Instant::now();
    for round in 0..10_000 {
        let (world, text) = &valid[random.below(valid.len())];
        let mut text = text.clone();
        if round % 2 == 0 {
            text.remove(random.below(text.len()));
        } else {
            let mut lines: Vec<&[u8]> = text.split_inclusive(|&byte| byte == b'\n').collect();
            lines.remove(random.below(lines.len()));
            text = lines.concat();
        }
        let one = Instant::now();
        check(world, text);
        assert!(one.elapsed().as_secs() < 10, "one took {:?}", one.elapsed());
    }
    assert!(started.elapsed().as_secs() < MOST_SECONDS, "{:?}", started.elapsed());
}

const TOKENS: &[&str] = &[
    "execution:\n",
    "artifacts:\n",
    "  - ",
    "name: ",
    "id: ",
    "type: ",
    "source",
    "map",
    "loop",
    "execute_workflow",
    "approval",
    "analyser: acme:words",
    "connector: filesystem",
    "config: ",
    "{path: data}",
    "input: ",
    "inputs: ",
    "output: ",
    "outputs: ",
    "files",
    "{{ files }}",
    "\"{{ files.x[0] }}\"",
    "[",
    "]",
    "{",
    "}",
    ",",
    ": ",
    ":",
    "- ",
    "\n",
    "\n    ",
    "\t",
    "'",
    "\"",
    "|",
    ">",
    "&a ",
    "*a",
    "!!int ",
    "<<: ",
    "~",
    "yes",
    "0x1F",
    "1e999",
    "2024-01-31",
    "#",
    "%",
    "when: ",
    "files.item_count > 0",
    "\u{feff}",
    "\u{202e}",
    "é",
    "limits: ",
    "{memory: 1 GiB}",
    "after: ",
    "compensate: ",
    "retry: ",
    "until: ",
    "? ",
    "---\n",
    "...",
    "\0",
];

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(600) })]

    #[test]
    fn pieces_of_runbooks_in_any_order_are_judged(pieces in proptest::collection::vec(0..TOKENS.len(), 0..60)) {
        let text: String = pieces.iter().map(|&piece| TOKENS[piece]).collect();
        check(&World::new(), text.into_bytes());
    }

    #[test]
    fn any_text_is_judged(text in "\\PC{0,200}|[-a-z:{}\\[\\]\"'&*!|>#%@, \n\t?0-9.~<]{0,200}") {
        check(&World::new(), text.into_bytes());
    }
}

/// Texts that are repeated up to the longest condition, and what stands at the end.
const REPEATED: &[(&str, &str)] = &[
    ("a.", "b"),
    ("(", "a"),
    ("[", "1"),
    ("{", "}"),
    ("!", "a"),
    ("-", "1"),
    ("a?", "b"),
    ("a?b:", "c"),
    ("a(", ")"),
    ("a[", "]"),
    ("a&&", "b"),
    ("a||", "b"),
    ("a+", "b"),
    ("a==", "b"),
    ("a in ", "b"),
    ("a.all(x,", "x"),
    ("has(a.", "b"),
    ("\"", ""),
    ("'''", ""),
    ("\\", ""),
    ("r\"", ""),
    ("b'", ""),
    ("0x", ""),
    ("9", ""),
    ("1e", ""),
    ("1.", ""),
    (",", ""),
    ("[1,", "]"),
    ("{1:", "}"),
    ("//", "\n"),
    ("`", ""),
    ("\u{1f600}", ""),
    ("\0", ""),
    ("?:", ""),
    ("..", ""),
    ("a{b:", "}"),
    (")", ""),
    ("]", ""),
    ("a.b(", ")"),
    ("\n", ""),
    ("a.?b", ""),
    ("a[?", "]"),
    ("!-", "a"),
    ("(a)", ""),
    ("a ", ""),
    ("\"\\u", ""),
    ("a.map(x,", "x)"),
    ("a.exists_one(x,", "x)"),
    ("1u", ""),
    ("a<b<", "c"),
    ("true?", "a"),
    ("[a.all(x,", "x)]"),
    ("a.filter(x,x).", "b"),
];

fn judge(text: &str) {
    if let Ok(condition) = Condition::parse(text) {
        let _ = (condition.names().count(), condition.constant());
    }
}

#[test]
fn conditions_that_are_made_to_be_expensive_are_judged_soon() {
    let started = Instant::now();
    for &(piece, end) in REPEATED {
        for size in [20, 34, 200, 2_048] {
            let one = Instant::now();
            let times = (size - end.len()) / piece.len();
            judge(&format!("{}{end}", piece.repeat(times)));
            // Opened and closed again.
            let close = match piece.chars().last() {
                Some('(' | ',') => ")",
                Some('[') => "]",
                Some('{' | ':') => "}",
                _ => "",
            };
            let times = (size - 1) / (piece.len() + close.len());
            judge(&format!("{}a{}", piece.repeat(times), close.repeat(times)));
            assert!(one.elapsed().as_secs() < 5, "`{piece}` up to {size} bytes took {:?}", one.elapsed());
        }
    }
    assert!(started.elapsed().as_secs() < 60, "{:?}", started.elapsed());
}

#[test]
fn conditions_of_any_pieces_are_judged() {
    let mut random = Random(0xce1_5eed);
    let started = Instant::now();
    for _ in 0..1_000 {
        let mut text = String::new();
        let most = 1 + random.below(120);
        for _ in 0..most {
            let (piece, end) = REPEATED[random.below(REPEATED.len())];
            text.push_str(if random.below(3) == 0 { end } else { piece });
        }
        judge(&text);
    }
    assert!(started.elapsed().as_secs() < 60, "{:?}", started.elapsed());
}

#[test]
fn references_of_any_length_are_judged() {
    for inner in
        ["a".repeat(5_000), "a.".repeat(500), "a[0]".repeat(200), "[".repeat(900), ".".repeat(900), "{".repeat(900)]
    {
        let text = format!("execution:\n  - id: x\n    analyser: acme:words\n    input: \"{{{{ {inner} }}}}\"\n");
        let (plan, found) = World::new().check(&Source::new("x.yaml", text), &demo, &|_| None);
        assert!(plan.is_none() && found.iter().any(|(_, found): &(Source, Diagnostic)| found.is_error()));
    }
}
