//! Patterns of rulesets over foreign text, as the analysers match them in the sandbox.

use palisade_matching::{Clusters, Lines, Matcher, Span};

/// The patterns of one rule, and its expressions.
type Patterns = (Vec<String>, Vec<String>);

/// What one rule found: of the whole text count and places, by lines count and first line.
type Found = (Option<(u64, Vec<Span>)>, Option<(u64, usize)>);

/// Lines up to an empty one are patterns, one rule each, expressions after a `~`; what follows is the text.
pub(crate) fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let (head, text) = text.split_once("\n\n").unwrap_or((text, ""));
    let rules: Vec<Patterns> = head
        .lines()
        .map(|line| match line.strip_prefix('~') {
            Some(expression) => (Vec::new(), vec![expression.to_owned()]),
            None => (vec![line.to_owned()], Vec::new()),
        })
        .collect();
    let Some(all) = found(&rules, text) else { return };
    assert_eq!(found(&rules, text).as_ref(), Some(&all), "a second search finds other things");
    for (rule, all) in rules.iter().zip(all) {
        let alone = found(std::slice::from_ref(rule), text).and_then(|found| found.into_iter().next());
        assert_eq!(alone, Some(all), "other rules change what {rule:?} finds");
    }
}

/// What each rule finds; none if one can't be compiled.
fn found(rules: &[Patterns], text: &str) -> Option<Vec<Found>> {
    let compiled = rules.iter().map(|(patterns, expressions)| ("rule", patterns.as_slice(), expressions.as_slice()));
    let mut matcher = Matcher::compile(compiled).ok()?;
    let mut found: Vec<Found> = vec![(None, None); rules.len()];
    // The first search is forgotten by the second.
    for _ in 0..2 {
        for matched in matcher.search(text, Clusters { most: 3, apart: 20 }) {
            let [pattern] = matched.patterns.as_slice() else { panic!("a rule has one pattern") };
            check_spans(text, pattern.count, pattern.representatives);
            found[matched.rule].0 = Some((pattern.count, pattern.representatives.to_vec()));
        }
    }
    let lines = Lines::new(text);
    for hit in matcher.search_lines(text, &lines) {
        let [pattern] = hit.patterns.as_slice() else { panic!("a rule has one pattern") };
        assert!(pattern.count > 0 && pattern.count as usize <= lines.count());
        assert!(lines.get(pattern.first_line).is_some());
        found[hit.rule].1 = Some((pattern.count, pattern.first_line));
    }
    Some(found)
}

/// Matches lie in the text, one behind the other, and don't overlap.
fn check_spans(text: &str, count: u64, spans: &[Span]) {
    assert!(!spans.is_empty() && spans.len() as u64 <= count);
    let mut end = 0;
    for span in spans {
        assert!(end <= span.start && text.get(span.start..span.end).is_some(), "{span:?}");
        end = span.end;
    }
}
