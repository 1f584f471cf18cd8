//! Chooses which findings a page shows, and counts the rest: a page is bounded, whatever was found.

use super::evidence;
use crate::document::{has_findings, walk};
use crate::evidence::Evidence;
use crate::finding::Finding;
use crate::place::Place;
use crate::tally::{PlaceCount, PlaceKey, Places, Tally};
use crate::trust::names_rules_only;
use crate::vocabulary::{Marks, Vocabulary};
use crate::{Document, ReportError};
use palisade_model::record::RunRecord;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Most places on a page.
pub(super) const MAX_PLACES: usize = 200;
/// Most pieces of evidence for one place and rule.
pub(super) const MAX_PIECES: usize = 50;
/// Most pieces for one place and rule that are looked at to see if they are like one that is shown.
const MAX_LOOKED_AT: u64 = 1_000;
/// Most rules shown for one place, artifact and kind; all published rulesets together have fewer in any file.
const MAX_RULES: usize = 100;
/// Bytes of all pieces and rules on a page. They are shared evenly among its places, in each among the artifacts, and
/// in each between special findings and others, so that nothing that is many keeps out what is grave.
const MAX_BYTES: usize = 12 << 20;
/// What the markup around a piece, and that around a rule, counts for.
const PIECE_BYTES: usize = 40;
const RULE_BYTES: usize = 600;
/// Most patterns, and most values of one fact, shown for a rule; most rows or lines for a piece.
const MAX_NAMES: usize = 40;
const MAX_SPOTS: usize = 8;

/// What is shown of all documents, foremost places first.
pub(super) struct Collected {
    pub(super) places: Vec<PlaceFindings>,
}

/// What was found in one place.
pub(super) struct PlaceFindings {
    /// The source, without its row.
    pub(super) source: String,
    pub(super) count: PlaceCount,
    pub(super) rules: BTreeMap<RuleKey, RuleFindings>,
    /// Findings of rules that are not shown.
    pub(super) left_out: u64,
    /// What is left for each artifact's special findings, and for its others.
    rooms: HashMap<(usize, bool), Room>,
    room: Room,
}

/// What one kind of findings of one artifact may still take of a place.
#[derive(Debug, Clone, Copy)]
struct Room {
    bytes: usize,
    rules: usize,
}

/// One rule of one artifact.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct RuleKey {
    /// Its number among the documents.
    pub(super) artifact: usize,
    pub(super) category: String,
    /// None where the category says it all, or the rule's name may not be shown.
    pub(super) rule: Option<String>,
}

/// The findings of a rule in one place.
#[derive(Default)]
pub(super) struct RuleFindings {
    pub(super) findings: u64,
    pub(super) marks: Marks,
    /// What matched, with how often; empty where it may not be shown.
    pub(super) patterns: BTreeMap<String, u64>,
    pub(super) facts: BTreeMap<&'static str, BTreeSet<String>>,
    pub(super) pieces: Vec<Piece>,
    /// Pieces that are not shown.
    pub(super) left_out: u64,
    /// Pieces of which nothing is left when they are masked.
    pub(super) hidden: u64,
    looked_at: u64,
}

/// A piece of evidence, or several that look the same.
pub(super) struct Piece {
    pub(super) html: String,
    pub(super) times: u64,
    /// The first rows or lines it was found in.
    pub(super) spots: Vec<Spot>,
    /// It was found in further ones.
    pub(super) more_spots: bool,
}

/// Where in its place a piece was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Spot {
    /// The row of a table, as its source says.
    Row(String),
    /// The line of a file.
    Line(u64),
}

/// Walks the documents and keeps what is shown.
pub(super) fn collect(
    run: &RunRecord,
    tallies: &[(&dyn Document, Tally)],
    places: &Places,
    evidence: Evidence,
) -> Result<Collected, ReportError> {
    let foremost = places.foremost(MAX_PLACES);
    let kinds = |tally: &Tally| 1 + usize::from(tally.all.special() > 0);
    let with_findings = || tallies.iter().enumerate().filter(|(_, (document, _))| has_findings(*document));
    let shares = foremost.len() * with_findings().map(|(_, (_, tally))| kinds(tally)).sum::<usize>();
    let room = Room { bytes: MAX_BYTES / shares.max(1), rules: MAX_RULES };
    let mut kept: HashMap<PlaceKey, PlaceFindings> = HashMap::new();
    let counts: HashMap<_, _> = foremost.iter().copied().collect();
    for (artifact, (document, _)) in with_findings() {
        let vocabulary = Vocabulary::of(document.schema().name());
        let show =
            Show { evidence, words: evidence == Evidence::Full || names_rules_only(run, document.name().as_str()) };
        walk(*document, &mut |item| {
            let finding = Finding::of(&item, vocabulary);
            let Some(source) = finding.source else { return Ok(()) };
            let key = Places::key(source);
            if let Some(&count) = counts.get(&key) {
                kept.entry(key)
                    .or_insert_with(|| PlaceFindings::new(Place::of(source).whole, count, room))
                    .add(artifact, &finding, show);
            }
            Ok(())
        })?;
    }
    let mut places: Vec<_> = foremost.iter().filter_map(|(key, _)| kept.remove(key)).collect();
    places.sort_by(|a, b| {
        let rank =
            |place: &PlaceFindings| (std::cmp::Reverse(place.count.special), std::cmp::Reverse(place.count.findings));
        rank(a).cmp(&rank(b)).then_with(|| a.source.cmp(&b.source))
    });
    Ok(Collected { places })
}

/// What may be shown of a document's findings.
#[derive(Clone, Copy)]
struct Show {
    evidence: Evidence,
    /// Patterns, rules and facts.
    words: bool,
}

impl PlaceFindings {
    fn new(source: &str, count: PlaceCount, room: Room) -> Self {
        let source = source.chars().take(1_000).collect();
        Self { source, count, rules: BTreeMap::new(), left_out: 0, rooms: HashMap::new(), room }
    }

    fn add(&mut self, artifact: usize, finding: &Finding<'_>, show: Show) {
        let key = RuleKey {
            artifact,
            category: finding.category.clone().unwrap_or_default(),
            rule: finding.rule.clone().filter(|_| show.words),
        };
        let room = self.rooms.entry((artifact, finding.marks.special())).or_insert(self.room);
        if !self.rules.contains_key(&key) {
            if room.rules == 0 || !pay(&mut room.bytes, RULE_BYTES) {
                self.left_out += 1;
                return;
            }
            room.rules -= 1;
        }
        let room = &mut room.bytes;
        let rule = self.rules.entry(key).or_default();
        rule.findings += 1;
        rule.marks.join(finding.marks);
        if show.words {
            rule.add_words(finding, room);
        }
        let patterns: Vec<_> =
            if show.words { finding.patterns.iter().map(|(pattern, _)| *pattern).collect() } else { vec![] };
        let row = finding.source.and_then(|source| Place::of(source).row);
        let spot = row.map(|row| Spot::Row(row.to_owned())).or(finding.line.map(Spot::Line));
        for text in &finding.evidence {
            rule.add_piece(text, spot.as_ref(), &patterns, show.evidence, room);
        }
    }
}

impl RuleFindings {
    fn add_words(&mut self, finding: &Finding<'_>, room: &mut usize) {
        for &(pattern, count) in &finding.patterns {
            if let Some(sum) = self.patterns.get_mut(pattern) {
                *sum = sum.saturating_add(count);
            } else if self.patterns.len() < MAX_NAMES && pay(room, pattern.len() + PIECE_BYTES) {
                self.patterns.insert(pattern.to_owned(), count);
            }
        }
        for (title, values) in finding.facts() {
            let known = self.facts.entry(title).or_default();
            for value in values {
                if known.len() < MAX_NAMES && !known.contains(&value) && pay(room, value.len() + PIECE_BYTES) {
                    known.insert(value);
                }
            }
        }
    }

    fn add_piece(&mut self, text: &str, spot: Option<&Spot>, patterns: &[&str], evidence: Evidence, room: &mut usize) {
        // Rendering costs more than counting.
        if self.looked_at >= MAX_LOOKED_AT {
            self.left_out += 1;
            return;
        }
        self.looked_at += 1;
        let html = match evidence {
            Evidence::Full => Some(evidence::full(text, patterns)),
            Evidence::Masked => evidence::masked(text, patterns),
        };
        let Some(html) = html else {
            self.hidden += 1;
            return;
        };
        if let Some(same) = self.pieces.iter_mut().find(|piece| piece.html == html) {
            same.times += 1;
            if let Some(spot) = spot.filter(|spot| !same.spots.contains(spot)) {
                if same.spots.len() < MAX_SPOTS {
                    same.spots.push(spot.clone());
                } else {
                    same.more_spots = true;
                }
            }
        } else if self.pieces.len() < MAX_PIECES && pay(room, html.len() + PIECE_BYTES) {
            self.pieces.push(Piece { html, times: 1, spots: spot.cloned().into_iter().collect(), more_spots: false });
        } else {
            self.left_out += 1;
        }
    }
}

/// Takes bytes of the room that is left, if it has them.
fn pay(room: &mut usize, bytes: usize) -> bool {
    room.checked_sub(bytes).map(|left| *room = left).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{Made, finding, run};
    use crate::tally::Tally;

    fn collected(items: Vec<serde_json::Value>, evidence: Evidence) -> Collected {
        let document = Made::new("gdpr", "gdpr_personal_data/1.0.0", items);
        let mut places = Places::default();
        let tally = Tally::of(&document, &mut places).unwrap();
        collect(&run(), &[(&document, tally)], &places, evidence).unwrap()
    }

    fn pieces(count: usize, evidence: Evidence) -> (usize, u64) {
        let text = |n| format!("email {n}");
        let items = (0..count).map(|n| finding("contact", false, "a.txt", "email", &text(n))).collect();
        let collected = collected(items, evidence);
        let rule = collected.places[0].rules.values().next().unwrap();
        (rule.pieces.len(), rule.left_out)
    }

    #[test]
    fn at_most_fifty_pieces_of_a_rule_in_a_file_are_shown() {
        assert_eq!(pieces(MAX_PIECES, Evidence::Full), (50, 0));
        assert_eq!(pieces(MAX_PIECES + 3, Evidence::Full), (50, 3));
        assert_eq!(pieces(MAX_PIECES + 3, Evidence::Masked), (1, 0));
    }

    #[test]
    fn equal_pieces_are_one_with_the_places_it_was_found_in() {
        let source = |row| format!("x_database_(d)_table_(t)_column_(c)_row_({row})");
        let items = (1..=12).map(|row| finding("contact", false, &source(row), "email", "email")).collect();
        let collected = collected(items, Evidence::Full);
        let piece = &collected.places[0].rules.values().next().unwrap().pieces[0];
        assert_eq!((collected.places.len(), piece.times, piece.spots.len()), (1, 12, MAX_SPOTS));
        assert_eq!((&piece.spots[0], piece.more_spots), (&Spot::Row("1".into()), true));
    }

    #[test]
    fn a_page_has_so_many_places_and_the_special_ones_among_them() {
        let mut items: Vec<_> =
            (0..MAX_PLACES).map(|n| finding("contact", false, &format!("{n}.txt"), "email", "email")).collect();
        assert_eq!(collected(items.clone(), Evidence::Masked).places.len(), MAX_PLACES);
        items.push(finding("health", true, "last.txt", "blood", "blood"));
        let collected = collected(items, Evidence::Masked);
        assert_eq!(collected.places.len(), MAX_PLACES);
        assert_eq!(collected.places[0].source, "last.txt");
    }

    #[test]
    fn all_pieces_together_are_bounded() {
        let long = "x".repeat(990);
        let text = |n: usize| format!("{n:06} {long}");
        let item = |n: usize| finding(&format!("c{}", n % 300), false, &format!("{}.txt", n % 4), "email", &text(n));
        let collected = collected((0..15_000).map(item).collect(), Evidence::Full);
        let pieces = collected.places.iter().flat_map(|place| place.rules.values()).flat_map(|rule| &rule.pieces);
        let bytes: usize = pieces.map(|piece| piece.html.len()).sum();
        assert!(bytes <= MAX_BYTES && bytes > MAX_BYTES * 8 / 10, "{bytes}");
        for place in &collected.places {
            let shown: u64 = place.rules.values().map(|rule| rule.findings).sum();
            assert_eq!((place.rules.len(), shown + place.left_out), (75, 3_750));
        }
    }

    #[test]
    fn rules_are_bounded_and_special_ones_are_not_kept_out() {
        let rules = |count: usize| -> Vec<_> {
            (0..count).map(|n| finding(&format!("c{n}"), false, "a.txt", "email", "email")).collect()
        };
        let place = |items| collected(items, Evidence::Full).places.remove(0);
        let all = place(rules(MAX_RULES));
        assert_eq!((all.rules.len(), all.left_out), (MAX_RULES, 0));
        let mut items = rules(MAX_RULES + 1);
        items.push(finding("health", true, "a.txt", "blood", "blood"));
        let bounded = place(items);
        assert_eq!((bounded.rules.len(), bounded.left_out), (MAX_RULES + 1, 1));
        assert!(bounded.rules.keys().any(|key| key.category == "health"));
    }
}
