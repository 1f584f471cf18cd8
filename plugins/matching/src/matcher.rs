//! Runs all patterns of a ruleset over a text and says what each rule matched.

use std::collections::HashMap;

use crate::index::Index;
use crate::lines::Lines;
use crate::plain::Plain;
use crate::rule::Rule;
use crate::settings::Clusters;
use crate::value_pattern::ValuePattern;
use crate::white_space::is_blank;

/// The patterns of a ruleset, compiled, with the state of one search.
#[derive(Debug)]
pub struct Matcher {
    index: Index,
    value_patterns: Vec<ValuePattern>,
    /// Every pattern of every rule, in the order of the ruleset.
    uses: Vec<Use>,
    /// The uses of each literal, then of each value pattern.
    uses_of: Vec<Vec<u32>>,
    /// What the current search knows of each literal and value pattern.
    hits: Vec<Hits>,
    /// Those of `hits` that are not empty.
    touched: Vec<u32>,
}

/// Where a match lies, in bytes of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// The first byte.
    pub start: usize,
    /// The byte after the last.
    pub end: usize,
}

/// What one pattern of a rule matched in a text.
#[derive(Debug, Clone, Copy)]
pub struct PatternMatches<'m> {
    /// The pattern as the ruleset writes it.
    pub pattern: &'m str,
    /// Matches that don't overlap.
    pub count: u64,
    /// The first match of each cluster, as many as evidence may need.
    pub representatives: &'m [Span],
}

/// What one rule matched in a text.
#[derive(Debug)]
pub struct RuleMatches<'m> {
    /// Place of the rule in the ruleset.
    pub rule: usize,
    /// Its patterns that matched, in the order of the ruleset; never empty.
    pub patterns: Vec<PatternMatches<'m>>,
}

/// The lines that one pattern of a rule hit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LineHits<'m> {
    /// The pattern as the ruleset writes it.
    pub pattern: &'m str,
    /// Lines with at least one match.
    pub count: u64,
    /// The first of them, from 0.
    pub first_line: usize,
}

/// The lines that one rule hit.
#[derive(Debug)]
pub struct RuleLines<'m> {
    /// Place of the rule in the ruleset.
    pub rule: usize,
    /// Its patterns that hit a line, in order of their first line, then of the ruleset; never empty.
    pub patterns: Vec<LineHits<'m>>,
}

/// A value pattern that can't be compiled.
#[derive(Debug, thiserror::Error)]
#[error("value pattern `{pattern}` of rule `{rule}` is no regular expression that can be used here")]
pub struct BadPattern {
    /// Name of the rule.
    pub rule: String,
    /// The expression as the ruleset writes it.
    pub pattern: String,
    /// Why not.
    #[source]
    pub source: regex_lite::Error,
}

/// A pattern as a rule names it.
#[derive(Debug)]
struct Use {
    rule: u32,
    pattern: String,
}

/// What a search knows of one literal or value pattern.
#[derive(Debug, Default)]
struct Hits {
    count: u64,
    /// End of the last match.
    end: usize,
    representatives: Vec<Span>,
    /// First and last line hit, in a search by lines.
    first_line: usize,
    last_line: usize,
}

impl Matcher {
    /// Compiles the patterns of `rules`. Fails if a value pattern is no regular expression or is too large.
    pub fn new<F>(rules: &[Rule<F>]) -> Result<Self, BadPattern> {
        Self::compile(rules.iter().map(|rule| (rule.name.as_str(), &rule.patterns[..], &rule.value_patterns[..])))
    }

    /// As [`Matcher::new`], from name, patterns and value patterns of each rule.
    pub fn compile<'r>(
        rules: impl IntoIterator<Item = (&'r str, &'r [String], &'r [String])>,
    ) -> Result<Self, BadPattern> {
        let mut uses = Vec::new();
        let mut literals = Vec::new();
        let mut literal_uses: Vec<Vec<u32>> = Vec::new();
        let mut numbers: HashMap<String, usize> = HashMap::new();
        let mut value_patterns = Vec::new();
        let mut value_uses = Vec::new();
        for (rule, (name, patterns, expressions)) in (0_u32..).zip(rules) {
            for pattern in patterns.iter().filter(|pattern| !pattern.is_empty()) {
                let folded: String = pattern.chars().map(crate::fold).collect();
                let number = *numbers.entry(folded.clone()).or_insert(literals.len());
                if number == literals.len() {
                    literals.push(folded);
                    literal_uses.push(Vec::new());
                }
                if let Some(list) = literal_uses.get_mut(number) {
                    list.push(number_of(&uses));
                }
                uses.push(Use { rule, pattern: pattern.clone() });
            }
            for pattern in expressions {
                let bad = |source| BadPattern { rule: name.to_owned(), pattern: pattern.clone(), source };
                value_patterns.push(ValuePattern::new(pattern).map_err(bad)?);
                value_uses.push(vec![number_of(&uses)]);
                uses.push(Use { rule, pattern: pattern.clone() });
            }
        }
        let mut uses_of = literal_uses;
        uses_of.append(&mut value_uses);
        let hits = uses_of.iter().map(|_| Hits::default()).collect();
        Ok(Self { index: Index::new(&literals), value_patterns, uses, uses_of, hits, touched: Vec::new() })
    }

    /// Searches a whole text; the rules that matched come in the order of the ruleset. Blank text has no matches.
    pub fn search(&mut self, text: &str, clusters: Clusters) -> Vec<RuleMatches<'_>> {
        self.clear();
        if is_blank(text) {
            return Vec::new();
        }
        let Self { index, value_patterns, hits, touched, .. } = self;
        let mut count = |number: u32, start: usize, end: usize| {
            let Some(hits) = hits.get_mut(number as usize) else { return };
            if hits.count == 0 {
                touched.push(number);
            } else if start < hits.end {
                return;
            }
            if hits.representatives.len() < clusters.most
                && (hits.count == 0 || is_beyond(text, hits.end, start, clusters.apart))
            {
                hits.representatives.push(Span { start, end });
            }
            hits.count += 1;
            hits.end = end;
        };
        index.scan(text, &mut count);
        if !value_patterns.is_empty() {
            let plain = Plain::new(text);
            for (number, expression) in (index.count()..).zip(value_patterns) {
                expression.scan(plain.text(), |start, end| count(number, plain.original(start), plain.original(end)));
            }
        }
        let mut found = Vec::new();
        for (rule, patterns) in self.matched_uses() {
            found.push(RuleMatches {
                rule,
                patterns: patterns
                    .into_iter()
                    .map(|(pattern, hits)| PatternMatches {
                        pattern,
                        count: hits.count,
                        representatives: &hits.representatives,
                    })
                    .collect(),
            });
        }
        found
    }

    /// Searches line by line; the rules that hit a line come in the order of the ruleset. Blank lines are not hit.
    pub fn search_lines(&mut self, text: &str, lines: &Lines<'_>) -> Vec<RuleLines<'_>> {
        self.clear();
        let Self { index, value_patterns, hits, touched, .. } = self;
        let mut hit = |number: u32, line: usize| {
            let Some(hits) = hits.get_mut(number as usize) else { return };
            if hits.count == 0 {
                touched.push(number);
                hits.first_line = line;
            } else if hits.last_line == line {
                return;
            }
            hits.count += 1;
            hits.last_line = line;
        };
        index.scan(text, |number, start, end| {
            // Words never span lines; literals that hold an end of line do, and match none.
            let line = lines.number_at(start);
            let Some(content) = lines.get(line) else { return };
            let spans = lines.end_of(line) < end;
            let blank_in_blank = || index.literal(number).is_some_and(|literal| literal.blank) && is_blank(content);
            if !spans && !blank_in_blank() {
                hit(number, line);
            }
        });
        if !value_patterns.is_empty() {
            let contents = (0..lines.count()).filter_map(|line| Some((line, lines.get(line)?)));
            for (line, content) in contents.filter(|(_, content)| !is_blank(content)) {
                let plain = Plain::new(content);
                for (number, expression) in (index.count()..).zip(&*value_patterns) {
                    expression.scan(plain.text(), |_, _| hit(number, line));
                }
            }
        }
        let mut found = Vec::new();
        for (rule, patterns) in self.matched_uses() {
            let mut patterns: Vec<LineHits<'_>> = patterns
                .into_iter()
                .map(|(pattern, hits)| LineHits { pattern, count: hits.count, first_line: hits.first_line })
                .collect();
            patterns.sort_by_key(|pattern| pattern.first_line);
            found.push(RuleLines { rule, patterns });
        }
        found
    }

    /// Forgets the last search; costs what that search found.
    fn clear(&mut self) {
        for number in self.touched.drain(..) {
            if let Some(hits) = self.hits.get_mut(number as usize) {
                hits.count = 0;
                hits.end = 0;
                hits.representatives.clear();
            }
        }
    }

    /// The patterns that the last search touched, by rule, in the order of the ruleset.
    fn matched_uses(&self) -> Vec<(usize, Vec<(&str, &Hits)>)> {
        let mut found: Vec<(u32, u32)> = Vec::new();
        for &number in &self.touched {
            let uses = self.uses_of.get(number as usize).into_iter().flatten();
            found.extend(uses.map(|&place| (place, number)));
        }
        found.sort_unstable();
        let mut rules: Vec<(usize, Vec<(&str, &Hits)>)> = Vec::new();
        for (place, number) in found {
            let (Some(one), Some(hits)) = (self.uses.get(place as usize), self.hits.get(number as usize)) else {
                continue;
            };
            let rule = one.rule as usize;
            match rules.last_mut() {
                Some((last, patterns)) if *last == rule => patterns.push((&one.pattern, hits)),
                _ => rules.push((rule, vec![(&one.pattern, hits)])),
            }
        }
        rules
    }
}

/// The number that the next use gets.
fn number_of(uses: &[Use]) -> u32 {
    u32::try_from(uses.len()).unwrap_or(u32::MAX)
}

/// Tells whether more than `characters` lie between two places of the text.
fn is_beyond(text: &str, from: usize, to: usize, characters: usize) -> bool {
    let between = text.get(from..to).unwrap_or_default();
    // A character has one to four bytes, so most gaps need no counting.
    between.len() > characters && (between.len() > 4 * characters || between.chars().count() > characters)
}
