//! Where the debugger stops: its breakpoints, and how far a person told it to go. Pure: it is told of each place and says.

use super::command::{Breakpoint, When};
use palisade_model::StepId;
use std::collections::BTreeSet;

/// A place at which a run could be held.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    /// The steps from the run that is debugged down to this one.
    pub(super) way: &'a [StepId],
    /// The item of it, where it is a map.
    pub(super) item: Option<Item>,
    /// The step's labels.
    pub(super) labels: &'a BTreeSet<String>,
    pub(super) side: Side,
}

/// An item of a map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Item {
    /// From 1.
    pub(super) number: u64,
    /// It lies within an attempt, at which the map is held before it and after it: so it is in a map over a component.
    pub(super) within: bool,
}

/// On which side of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// It is about to start.
    Before,
    /// It did what was wanted, or goes on later.
    After,
    /// It failed, for good or for now.
    Failed,
}

/// How far to go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Mode {
    /// To the next place, not deeper than this. The items of a map over a component are one deeper than the map.
    Step { depth: usize },
    /// To the next place, however deep.
    Into,
    /// To the next place before a step, not deeper than this.
    Next { depth: usize },
    /// To the next place that is not below this step, and no item of it.
    Past { way: Vec<StepId> },
    /// To a breakpoint.
    Continue,
}

impl Place<'_> {
    /// How deep it lies; a step of the run that is debugged is at 1.
    pub(super) fn depth(&self) -> usize {
        self.way.len() + usize::from(self.item.is_some_and(|item| item.within))
    }

    /// How to get out of what it lies in: the items of a map, or else a child run. None where there is nothing around it.
    pub(super) fn out(&self) -> Option<Mode> {
        match (self.item, self.way) {
            (Some(Item { within: false, .. }), way) => Some(Mode::Past { way: way.to_vec() }),
            _ => self.depth().checked_sub(1).filter(|depth| *depth > 0).map(|depth| Mode::Step { depth }),
        }
    }
}

/// The state of the debugger.
#[derive(Debug, Clone)]
pub(super) struct Core {
    /// By their numbers, from 1; one that was deleted leaves its place.
    breakpoints: Vec<Option<Breakpoint>>,
    pub(super) mode: Mode,
}

impl Core {
    /// Stops at the first place.
    pub(super) const fn new() -> Self {
        Self { breakpoints: Vec::new(), mode: Mode::Step { depth: 1 } }
    }

    /// Adds a breakpoint and gives its number.
    pub(super) fn add(&mut self, breakpoint: Breakpoint) -> usize {
        self.breakpoints.push(Some(breakpoint));
        self.breakpoints.len()
    }

    /// Forgets a breakpoint, or all; says whether there was one.
    pub(super) fn delete(&mut self, number: Option<usize>) -> bool {
        let Some(number) = number else {
            let any = self.breakpoints().next().is_some();
            self.breakpoints.iter_mut().for_each(|breakpoint| *breakpoint = None);
            return any;
        };
        let index = number.checked_sub(1);
        index.and_then(|index| self.breakpoints.get_mut(index)).and_then(Option::take).is_some()
    }

    /// The breakpoints with their numbers.
    pub(super) fn breakpoints(&self) -> impl Iterator<Item = (usize, &Breakpoint)> {
        (1..).zip(&self.breakpoints).filter_map(|(number, breakpoint)| Some((number, breakpoint.as_ref()?)))
    }

    /// Whether to stop at a place: the breakpoint for which, or none where a person said so.
    pub(super) fn stops(&self, place: Place<'_>) -> Option<Option<usize>> {
        let hit = self.breakpoints().find(|(_, breakpoint)| breakpoint.is_at(place)).map(|(number, _)| number);
        let depth = place.depth();
        let wanted = match &self.mode {
            Mode::Step { depth: most } => depth <= *most,
            Mode::Into => true,
            Mode::Next { depth: most } => depth <= *most && place.side == Side::Before,
            Mode::Past { way } => depth <= way.len() && place.way != way.as_slice(),
            Mode::Continue => false,
        };
        hit.map(Some).or_else(|| wanted.then_some(None))
    }
}

impl Breakpoint {
    fn is_at(&self, place: Place<'_>) -> bool {
        let side = match self.when {
            When::Before => place.side == Side::Before,
            When::After => place.side != Side::Before,
            When::Failure => place.side == Side::Failed,
        };
        side && self.is_of(place)
    }

    fn is_of(&self, place: Place<'_>) -> bool {
        let is_item = match (&self.item, place.item) {
            (Some(wanted), Some(item)) => matches(wanted, &item.number.to_string()),
            (Some(_), None) => false,
            // There may be any number of items. Of those within an attempt the one at which it fails alone is a stop of the step.
            (None, Some(item)) => !item.within || self.when == When::Failure,
            (None, None) => true,
        };
        is_item && self.is_of_step(place.way, place.labels)
    }

    /// Whether it speaks of a step, whatever of it.
    pub(super) fn is_of_step(&self, way: &[StepId], labels: &BTreeSet<String>) -> bool {
        if let Some(label) = self.what.strip_prefix("label:") {
            return labels.iter().any(|known| matches(label, known));
        }
        let way: Vec<&str> = way.iter().map(StepId::as_str).collect();
        // A step's own id is enough, however deep it is.
        let id = way.last().copied().unwrap_or_default();
        matches(&self.what, id) || matches(&self.what, &way.join("/"))
    }

    /// It in words.
    pub(super) fn text(&self) -> String {
        let when = match self.when {
            When::Before => "before",
            When::After => "after",
            When::Failure => "on failure of",
        };
        let item = self.item.as_ref().map_or_else(String::new, |item| format!("[{item}]"));
        format!("{when} {}{item}", palisade_model::neutral::line(&self.what, 80))
    }
}

/// Whether a text is what a pattern says, in which `*` is any number of characters. In time linear in both for each star.
fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    for part in parts {
        let Some((_, behind)) = rest.split_once(part) else { return false };
        rest = behind;
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn way(text: &str) -> Vec<StepId> {
        text.split('/').map(|id| id.parse().unwrap()).collect()
    }

    fn stops_at(core: &Core, way: &[StepId], item: Option<Item>, side: Side) -> Option<Option<usize>> {
        let labels = BTreeSet::from(["pii".to_owned()]);
        core.stops(Place { way, item, labels: &labels, side })
    }

    fn stops(core: &Core, text: &str, side: Side) -> Option<Option<usize>> {
        stops_at(core, &way(text), None, side)
    }

    fn breakpoint(when: When, what: &str, item: Option<&str>) -> Breakpoint {
        Breakpoint { when, what: what.to_owned(), item: item.map(str::to_owned) }
    }

    #[test]
    fn it_goes_as_far_as_it_was_told() {
        let mut core = Core::new();
        let check = |core: &Core, expected: [bool; 4]| {
            let places = [("a", Side::Before), ("a", Side::After), ("a/b", Side::Before), ("a/b", Side::Failed)];
            let found = places.map(|(way, side)| stops(core, way, side).is_some());
            assert_eq!(found, expected, "{:?}", core.mode);
        };
        check(&core, [true, true, false, false]);
        core.mode = Mode::Step { depth: 2 };
        check(&core, [true; 4]);
        core.mode = Mode::Next { depth: 1 };
        check(&core, [true, false, false, false]);
        core.mode = Mode::Into;
        check(&core, [true; 4]);
        core.mode = Mode::Continue;
        check(&core, [false; 4]);
    }

    #[test]
    fn breakpoints_are_hit_however_deep() {
        let mut core = Core { mode: Mode::Continue, ..Core::new() };
        let mut add = |when, what: &str| core.add(breakpoint(when, what, None));
        assert_eq!([add(When::Before, "b"), add(When::Failure, "a*"), add(When::After, "label:p*")], [1, 2, 3]);
        assert_eq!(stops(&core, "a/b", Side::Before), Some(Some(1)));
        assert_eq!(stops(&core, "ab", Side::Before), None);
        assert_eq!(stops(&core, "ab", Side::Failed), Some(Some(2)));
        assert_eq!(stops(&core, "c", Side::After), Some(Some(3)));
        assert!(core.delete(Some(3)) && !core.delete(Some(3)) && !core.delete(Some(0)) && !core.delete(Some(9)));
        assert_eq!(stops(&core, "c", Side::After), None);
        // Numbers stay what they were.
        assert_eq!(core.add(breakpoint(When::After, "a/b", None)), 4);
        assert_eq!(stops(&core, "a/b", Side::After), Some(Some(4)));
        assert!(core.delete(None) && !core.delete(None));
    }

    #[test]
    fn items_of_a_map_over_a_component_lie_within_it() {
        let (a, child, mut core) = (way("a"), way("a/b"), Core::new());
        let item = |number| Some(Item { number, within: true });
        let is_stop = |core: &Core, item, side| stops_at(core, &a, item, side).is_some();
        assert!(!is_stop(&core, item(1), Side::Before));
        core.mode = Mode::Step { depth: 2 };
        assert!(is_stop(&core, item(1), Side::Before) && is_stop(&core, item(1), Side::After));
        core.mode = Mode::Next { depth: 2 };
        assert!(is_stop(&core, item(2), Side::Before) && !is_stop(&core, item(1), Side::After));
        let labels = BTreeSet::new();
        let place = |way, item| Place { way, item, labels: &labels, side: Side::Before };
        assert_eq!(place(&a, item(1)).out(), Some(Mode::Step { depth: 1 }));
        assert_eq!(place(&child, None).out(), Some(Mode::Step { depth: 1 }));
        assert_eq!(place(&a, None).out(), None);
    }

    #[test]
    fn items_of_a_map_over_a_child_are_left_together() {
        let (a, mut core) = (way("a"), Core::new());
        let item = Some(Item { number: 1, within: false });
        assert!(stops_at(&core, &a, item, Side::Before).is_some());
        core.mode = Place { way: &a, item, labels: &BTreeSet::new(), side: Side::Before }.out().unwrap();
        for within in ["a", "a/b"] {
            assert_eq!(stops_at(&core, &way(within), item, Side::After), None, "{within}");
        }
        assert!(stops(&core, "b", Side::Before).is_some());
    }

    #[test]
    fn a_breakpoint_is_of_an_item_only_where_it_says_so_or_the_item_fails() {
        let mut core = Core { mode: Mode::Continue, ..Core::new() };
        let a = way("a");
        let hit = |core: &Core, number, within, side| stops_at(core, &a, Some(Item { number, within }), side).flatten();
        assert_eq!(core.add(breakpoint(When::Before, "a", None)), 1);
        assert_eq!(core.add(breakpoint(When::Failure, "*", None)), 2);
        assert_eq!(core.add(breakpoint(When::Before, "a", Some("12"))), 3);
        assert_eq!(core.add(breakpoint(When::After, "a", Some("*"))), 4);
        assert_eq!(hit(&core, 1, true, Side::Before), None);
        assert_eq!(hit(&core, 12, true, Side::Before), Some(3));
        assert_eq!(hit(&core, 1, true, Side::Failed), Some(2));
        assert_eq!(hit(&core, 1, true, Side::After), Some(4));
        // Each item of a map over a child is a stop of its step.
        assert_eq!(hit(&core, 1, false, Side::Before), Some(1));
        assert_eq!(stops(&core, "a", Side::Before), Some(Some(1)));
        assert_eq!(stops(&core, "a", Side::After), None);
        assert_eq!(breakpoint(When::After, "a", Some("*")).text(), "after a[*]");
    }

    #[test]
    fn a_star_is_any_characters() {
        let check = |pattern: &str, text: &str, expected: bool| {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}")
        };
        for (pattern, text) in
            [("*", ""), ("a*", "a"), ("*c", "abc"), ("a*c", "ac"), ("a*b*c", "axbxbxc"), ("**", "x"), ("abc", "abc")]
        {
            check(pattern, text, true);
        }
        for (pattern, text) in [("a", "ab"), ("", "a"), ("a*b", "a"), ("ab*b", "ab"), ("*b*", "a")] {
            check(pattern, text, false);
        }
    }
}
