//! The matcher against a naive one that is written down from the definition, character by character.

use palisade_matching::{Clusters, Lines, Matcher, Rule};
use proptest::prelude::*;

/// What a text may be made of: letters that are equal in odd ways, boundaries of all kinds, and plain words.
const ALPHABET: [&str; 46] = [
    "a", "b", "i", "I", "s", "S", "k", "K", "İ", "ı", "ſ", "\u{212a}", "1", "9", "_", "-", ".", "@", "$", "[", "\"",
    " ", "  ", "\n", "\r\n", "\u{2028}", "\u{85}", "\u{0}", "é", "É", "e\u{301}", "ß", "ẞ", "ς", "σ", "µ", "μ", "漢",
    "😀", "９", "ａ", "\u{200b}", "skin", "SKI", "ask", "kiss",
];

/// Half of the texts are ASCII, which has a way of its own.
fn text(pieces: usize) -> impl Strategy<Value = String> {
    let of = |alphabet: Vec<&'static str>| {
        prop::collection::vec(prop::sample::select(alphabet), 0..pieces).prop_map(|pieces| pieces.concat())
    };
    prop_oneof![of(ALPHABET.to_vec()), of(ALPHABET.into_iter().filter(|piece| piece.is_ascii()).collect())]
}

/// In half of the rulesets every pattern has a word, without which there is no quick way.
fn rules() -> impl Strategy<Value = Vec<Vec<String>>> {
    let rules = prop::collection::vec(prop::collection::vec(text(4), 0..5), 1..4);
    (rules, any::<bool>()).prop_map(|(mut rules, with_words)| {
        rules.iter_mut().for_each(|rule| rule.retain(|pattern| !with_words || pattern.contains(is_word)));
        rules
    })
}

fn equal(a: char, b: char) -> bool {
    let lower = |c: char| if c == 'İ' { 'i' } else { c.to_lowercase().next().expect("a lower case is never empty") };
    let upper = |c: char| lower(c).to_uppercase().collect::<String>();
    lower(a) == lower(b) || upper(a) == upper(b)
}

fn is_word(c: char) -> bool {
    ('\0'..='\u{7f}').any(|ascii| ascii.is_ascii_alphanumeric() && equal(ascii, c))
}

/// Matches in characters: left to right, not overlapping, with both boundaries.
fn naive_matches(text: &[char], pattern: &[char]) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    let mut at = 0;
    while !pattern.is_empty() && at + pattern.len() <= text.len() {
        let end = at + pattern.len();
        let fits = text[at..end].iter().zip(pattern).all(|(&a, &b)| equal(a, b));
        if fits && (at == 0 || !is_word(text[at - 1])) && (end == text.len() || !is_word(text[end])) {
            found.push((at, end));
            at = end;
        } else {
            at += 1;
        }
    }
    found
}

fn naive_representatives(matches: &[(usize, usize)], clusters: Clusters) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    let mut end = None;
    for &(start, stop) in matches {
        if end.is_none_or(|end| start > end + clusters.apart) {
            found.push((start, stop));
        }
        end = end.max(Some(stop));
    }
    found.truncate(clusters.most);
    found
}

fn with_patterns(patterns: &[Vec<String>]) -> Vec<Rule<()>> {
    let rule = |patterns: &Vec<String>| Rule {
        name: String::new(),
        patterns: patterns.clone(),
        value_patterns: Vec::new(),
        fields: (),
    };
    patterns.iter().map(rule).collect()
}

fn blank(text: &str) -> bool {
    text.chars().all(palisade_matching::is_white_space)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_search_is_the_naive_search(text in text(40), patterns in rules(), most in 0_usize..4, apart in 0_usize..12) {
        let clusters = Clusters { most, apart };
        let characters: Vec<char> = text.chars().collect();
        let bytes: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
        let mut expected = Vec::new();
        for (rule, patterns) in patterns.iter().enumerate() {
            for pattern in patterns {
                let matches = naive_matches(&characters, &pattern.chars().collect::<Vec<_>>());
                if !matches.is_empty() && !blank(&text) {
                    let spans: Vec<(usize, usize)> = naive_representatives(&matches, clusters)
                        .into_iter()
                        .map(|(start, end)| (bytes[start], bytes[end]))
                        .collect();
                    expected.push((rule, pattern.clone(), matches.len() as u64, spans));
                }
            }
        }
        let mut matcher = Matcher::new(&with_patterns(&patterns)).unwrap();
        // The second search shows that nothing is left of the first.
        matcher.search("kiss skin a 1 _ é", clusters);
        let mut found = Vec::new();
        for rule in matcher.search(&text, clusters) {
            for pattern in rule.patterns {
                let spans = pattern.representatives.iter().map(|span| (span.start, span.end)).collect();
                found.push((rule.rule, pattern.pattern.to_owned(), pattern.count, spans));
            }
        }
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn a_search_by_lines_is_the_naive_search_of_each_line(text in text(40), patterns in rules()) {
        let lines = Lines::new(&text);
        let mut expected = Vec::new();
        for (rule, patterns) in patterns.iter().enumerate() {
            // Every hit of a rule, line by line and in each line pattern by pattern.
            let mut order: Vec<(usize, u64, usize)> = Vec::new();
            for line in 0..lines.count() {
                let content: Vec<char> = lines.get(line).unwrap().chars().collect();
                for (place, pattern) in patterns.iter().enumerate() {
                    let hit = !naive_matches(&content, &pattern.chars().collect::<Vec<_>>()).is_empty();
                    if hit && !blank(lines.get(line).unwrap()) {
                        match order.iter_mut().find(|(other, ..)| *other == place) {
                            Some((_, count, _)) => *count += 1,
                            None => order.push((place, 1_u64, line)),
                        }
                    }
                }
            }
            expected.extend(order.into_iter().map(|(place, count, line)| (rule, patterns[place].clone(), count, line)));
        }
        let mut matcher = Matcher::new(&with_patterns(&patterns)).unwrap();
        matcher.search_lines("kiss\nskin a 1 _ é", &Lines::new("kiss\nskin a 1 _ é"));
        let mut found = Vec::new();
        for rule in matcher.search_lines(&text, &lines) {
            for hits in rule.patterns {
                found.push((rule.rule, hits.pattern.to_owned(), hits.count, hits.first_line));
            }
        }
        prop_assert_eq!(found, expected);
    }
}

fn count(pattern: &str, text: &str) -> u64 {
    let rules = with_patterns(&[vec![pattern.to_owned()]]);
    let mut matcher = Matcher::new(&rules).expect("literals always compile");
    let found = matcher.search(text, Clusters { most: 1, apart: 0 });
    found.first().map_or(0, |rule| rule.patterns[0].count)
}

#[test]
fn boundaries_are_ascii_letters_and_digits_with_their_equals() {
    for text in ["éemail", "_email_", "email漢", "email\u{301}", "e-email", "email\0", "EMAİL"] {
        assert_eq!(count("email", text), 1, "{text}");
    }
    for text in ["emails", "9email", "emailſ", "\u{212a}email", "ıemail", "ｅmail"] {
        assert_eq!(count("email", text), 0, "{text}");
    }
    assert_eq!(count("skin", "skinſ ſKİN"), 1);
    assert_eq!((count("$_POST[", "$_POST['a']"), count("$_POST[", "$_POST[a]")), (1, 0));
    assert_eq!((count("name=\"", "name=\"x"), count("name=\"", "name=\"-")), (0, 1));
    assert_eq!((count("sodium_", "sodium_box"), count("sodium_", "sodium_")), (0, 1));
}

#[test]
fn a_failed_boundary_moves_the_scan_by_one_character() {
    assert_eq!(count("a_a", "a_a_a"), 1);
    assert_eq!(count("a_a", "ba_a_a"), 1);
    assert_eq!(count("--", "a-----"), 2);
    assert_eq!(count("é", "e\u{301} é É"), 2);
    assert_eq!(count("ß", "ss ẞ ß"), 2);
}

#[test]
fn value_patterns_come_after_literals_and_have_no_boundaries() {
    let rule = Rule {
        name: "rule".to_owned(),
        patterns: vec!["child".to_owned()],
        value_patterns: vec!["under.*years".to_owned(), "third.country".to_owned()],
        fields: (),
    };
    let mut matcher = Matcher::new(&[rule]).unwrap();
    let found = matcher.search("Thunder 13 YEARSx\nunder\nyears THIRD-countrys child", Clusters { most: 3, apart: 0 });
    let counts: Vec<(&str, u64)> = found[0].patterns.iter().map(|one| (one.pattern, one.count)).collect();
    assert_eq!(counts, [("child", 1), ("under.*years", 1), ("third.country", 1)]);
    // The characters that are equal to an ASCII letter are so here too.
    let text = "ſ under 5 YEARſ, thırd country";
    let found = matcher.search(text, Clusters { most: 3, apart: 0 });
    let matched = found[0].patterns.iter().map(|one| &text[one.representatives[0].start..one.representatives[0].end]);
    assert_eq!(matched.collect::<Vec<_>>(), ["under 5 YEARſ", "thırd country"]);
}

#[test]
fn value_patterns_are_looked_for_in_each_line_too() {
    let rule = Rule {
        name: "rule".to_owned(),
        patterns: vec!["child".to_owned()],
        value_patterns: vec!["a.b".to_owned(), r"\s*".to_owned()],
        fields: (),
    };
    let mut matcher = Matcher::new(&[rule]).unwrap();
    let text = "a\nb\n  \nxaxbx aab\nchild\nA-b";
    let found = matcher.search_lines(text, &Lines::new(text));
    let hits: Vec<_> = found[0].patterns.iter().map(|one| (one.pattern, one.count, one.first_line)).collect();
    assert_eq!(hits, [(r"\s*", 5, 0), ("a.b", 2, 3), ("child", 1, 4)]);
}

#[test]
fn a_value_pattern_that_is_too_large_is_refused() {
    let rule = |pattern: &str| Rule {
        name: "rule".to_owned(),
        patterns: Vec::new(),
        value_patterns: vec![pattern.to_owned()],
        fields: (),
    };
    assert!(Matcher::new(&[rule("(.{100}){10}")]).is_ok());
    let error = Matcher::new(&[rule("(.{999}){999}")]).unwrap_err();
    assert!(error.to_string().contains("rule"));
    assert!(Matcher::new(&[rule("(")]).is_err());
}

#[test]
fn blank_text_matches_nothing() {
    assert_eq!((count(" ", " \t"), count(" ", "a b")), (0, 0));
    assert_eq!(count(" ", "- -"), 1);
}
