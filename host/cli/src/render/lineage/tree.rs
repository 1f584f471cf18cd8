//! A lineage as a tree: artifacts with the steps behind them, or with those that read them.

use super::ChildLineage;
use crate::render::runs::{foreign, painted, signed};
use palisade_engine::{Allowed, Answer, Lineage, LineageArtifact, LineageStep, Origin};
use palisade_model::RunId;
use palisade_model::unit::{Bytes, Count};
use palisade_runbook::Use;
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// Most levels of artifacts that are shown: a chain of steps may be of any length, and nobody reads further.
const MAX_LEVELS: usize = 50;

/// Draws parts of lineages, that of a run and those of child runs behind its artifacts.
pub(super) struct Tree<'l> {
    children: &'l [ChildLineage],
    up: bool,
    colour: bool,
    /// Artifacts whose branches are drawn, by their runs; none = the run that was asked about.
    drawn: BTreeSet<(Option<RunId>, &'l str)>,
    out: String,
}

/// The part of the run that is drawn.
#[derive(Clone, Copy)]
struct Place<'l> {
    /// None = the run that was asked about.
    child: Option<RunId>,
    part: &'l Lineage,
}

impl<'l> Tree<'l> {
    /// Upwards or downwards; `children` are gone into where they are met upwards.
    pub(super) fn new(children: &'l [ChildLineage], up: bool, colour: bool) -> Self {
        Self { children, up, colour, drawn: BTreeSet::new(), out: String::new() }
    }

    /// Draws an artifact and all beyond it.
    pub(super) fn add(&mut self, part: &'l Lineage, name: &str) {
        if let Some(artifact) = part.artifact(name) {
            self.artifact(Place { child: None, part }, artifact, "", "  ", "  ", 0);
        }
    }

    pub(super) fn text(self) -> String {
        self.out
    }

    /// `first` stands before its line, `rest` before those below it.
    fn artifact(
        &mut self,
        place: Place<'l>,
        artifact: &'l LineageArtifact,
        suffix: &str,
        first: &str,
        rest: &str,
        level: usize,
    ) {
        let seen = !self.drawn.insert((place.child, &artifact.name));
        let steps: Vec<&'l LineageStep> = match (&artifact.from, self.up) {
            (Origin::Step { step, .. }, true) => place.part.step(step).into_iter().collect(),
            (_, true) => Vec::new(),
            (_, false) => {
                let reads = |step: &&LineageStep| step.reads.iter().any(|read| read.artifact == artifact.name);
                place.part.steps.iter().filter(reads).collect()
            }
        };
        let more = match (seen || level == MAX_LEVELS, steps.is_empty()) {
            (false, _) | (_, true) => "",
            _ if seen => "  (see above)",
            _ => "  … `--format json` has all",
        };
        let line = format!("{first}{}{suffix}{more}", self.artifact_line(artifact));
        let _ = writeln!(self.out, "{line}");
        if !more.is_empty() {
            return;
        }
        for (index, &step) in steps.iter().enumerate() {
            let (branch, trunk) = branches(index + 1 == steps.len());
            self.step(place, step, &format!("{rest}{branch}"), &format!("{rest}{trunk}"), level);
        }
    }

    fn step(&mut self, place: Place<'l>, step: &'l LineageStep, first: &str, rest: &str, level: usize) {
        let line = self.step_line(step);
        let _ = writeln!(self.out, "{first}{line}");
        let mut below: Vec<(Place<'l>, &'l LineageArtifact, &str)> = Vec::new();
        if self.up {
            below.extend(self.taken_from_child(step));
            let mut told = BTreeSet::new();
            for read in step.reads.iter().filter(|read| told.insert((&read.artifact, read.used_as))) {
                let artifact = place.part.artifact(&read.artifact);
                below.extend(artifact.map(|artifact| (place, artifact, used_as(read.used_as))));
            }
        } else {
            below.extend(step.makes.iter().filter_map(|name| Some((place, place.part.artifact(name)?, ""))));
        }
        let mut leaves: Vec<String> = Vec::new();
        if self.up {
            leaves.extend(step.allowed.iter().map(|answer| said(step, answer)));
            let names = |path: &String| format!("{}  file or folder that its config names", foreign(path));
            leaves.extend(step.data.iter().map(names));
        }
        for (index, leaf) in leaves.iter().enumerate() {
            let (branch, _) = branches(below.is_empty() && index + 1 == leaves.len());
            let _ = writeln!(self.out, "{rest}{branch}{leaf}");
        }
        for (index, &(place, artifact, suffix)) in below.iter().enumerate() {
            let (branch, trunk) = branches(index + 1 == below.len());
            self.artifact(place, artifact, suffix, &format!("{rest}{branch}"), &format!("{rest}{trunk}"), level + 1);
        }
    }

    /// What the child run made that a step was.
    fn taken_from_child(&self, step: &LineageStep) -> Vec<(Place<'l>, &'l LineageArtifact, &'static str)> {
        let child = self.children.iter().find(|child| step.child == Some(child.run.run_id));
        let Some(ChildLineage { run, results, up: part }) = child else { return Vec::new() };
        let place = Place { child: Some(run.run_id), part };
        let taken = results.iter().filter_map(|name| part.artifact(name));
        taken.map(|artifact| (place, artifact, "  of the child run")).collect()
    }

    fn artifact_line(&self, artifact: &LineageArtifact) -> String {
        let mut facts = vec![painted(self.colour, "1", &foreign(&artifact.name))];
        if !artifact.also.is_empty() {
            let names = artifact.also.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            facts.push(format!("also {}", foreign(&names)));
        }
        facts.push(match &artifact.from {
            Origin::Step { .. } => String::new(),
            Origin::Input { is_default: false } => "input of the run".to_owned(),
            Origin::Input { is_default: true } => "input of the run, its default".to_owned(),
            Origin::Ruleset => "ruleset".to_owned(),
        });
        facts.push(artifact.items.map_or_else(String::new, |items| format!("{} items", Count(items))));
        facts.push(artifact.bytes.map_or_else(String::new, |bytes| Bytes(bytes).to_string()));
        facts.push(artifact.digest.map_or_else(|| "not there".to_owned(), |digest| digest.short()));
        facts.push(artifact.schema.to_string());
        facts.push(if artifact.exported { "result".to_owned() } else { String::new() });
        facts.retain(|fact| !fact.is_empty());
        facts.join("  ")
    }

    fn step_line(&self, step: &LineageStep) -> String {
        let runs = step.component.as_ref();
        let runs = runs.map(|ran| format!("{}@{} {}", ran.component, ran.version, ran.digest.short()));
        let runs = runs.or_else(|| step.child.map(|child| format!("child run {child}")));
        let attempts = if step.attempts > 1 { format!("  in {} attempts", step.attempts) } else { String::new() };
        let state = signed(self.colour, step.state);
        let line = format!("{state}  step {}  {}  {}{attempts}", step.step, step.kind, runs.unwrap_or_default());
        line.trim_end().to_owned()
    }
}

/// What was said of a step, in a line.
pub(crate) fn said(step: &LineageStep, allowed: &Allowed) -> String {
    let Allowed { step: asked, by, at, answer, signed } = allowed;
    let what = match answer {
        Answer::Approved => "approved",
        Answer::ApprovedBeforehand => "approved beforehand",
        Answer::Rejected => "rejected",
    };
    let by = match (by, answer) {
        (Some(by), _) => format!(" by {}", foreign(by)),
        (None, Answer::ApprovedBeforehand) => " by the runbook".to_owned(),
        (None, _) => String::new(),
    };
    let signed = if *signed { ", signed" } else { "" };
    let asked = if *asked == step.step { String::new() } else { format!("  at step {asked}") };
    format!("{what}{by}, {at}{signed}{asked}")
}

fn branches(last: bool) -> (&'static str, &'static str) {
    if last { ("└─ ", "   ") } else { ("├─ ", "│  ") }
}

fn used_as(used_as: Use) -> &'static str {
    match used_as {
        Use::Input => "",
        Use::Value => "  for a value of its config",
        Use::Condition => "  for its condition",
        Use::Runbook => "  as the runbook that it runs",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use palisade_engine::Read;

    fn artifact(name: &str, from: Origin) -> LineageArtifact {
        LineageArtifact {
            name: name.to_owned(),
            also: Vec::new(),
            from,
            schema: "x/1.0.0".parse().unwrap(),
            digest: None,
            items: None,
            bytes: None,
            exported: false,
        }
    }

    /// Each step makes the artifact of its name from those that are named.
    fn lineage(steps: &[(&str, &[&str])]) -> Lineage {
        let made = |name: &str| artifact(name, Origin::Step { step: name.parse().unwrap(), port: "out".to_owned() });
        let step = |(name, reads): &(&str, &[&str])| LineageStep {
            step: name.parse().unwrap(),
            kind: "analyse",
            component: None,
            child: None,
            state: "succeeded",
            attempts: 1,
            data: Vec::new(),
            allowed: Vec::new(),
            reads: reads.iter().map(|read| Read { artifact: (*read).to_owned(), used_as: Use::Input }).collect(),
            makes: vec![(*name).to_owned()],
        };
        Lineage {
            artifacts: steps.iter().map(|(name, _)| made(name)).collect(),
            steps: steps.iter().map(step).collect(),
        }
    }

    fn drawn(lineage: &Lineage, up: bool, name: &str) -> String {
        let mut tree = Tree::new(&[], up, false);
        tree.add(lineage, name);
        tree.text()
    }

    #[test]
    fn what_is_needed_twice_is_drawn_once() {
        let lineage = lineage(&[("a", &[]), ("b", &["a"]), ("c", &["a", "b", "a"])]);
        let expected = "  c  not there  x/1.0.0
  └─ ✓ succeeded  step c  analyse
     ├─ a  not there  x/1.0.0
     │  └─ ✓ succeeded  step a  analyse
     └─ b  not there  x/1.0.0
        └─ ✓ succeeded  step b  analyse
           └─ a  not there  x/1.0.0  (see above)
";
        assert_eq!(drawn(&lineage, true, "c"), expected);
        let expected = "  b  not there  x/1.0.0
  └─ ✓ succeeded  step c  analyse
     └─ c  not there  x/1.0.0
";
        assert_eq!(drawn(&lineage, false, "b"), expected);
    }

    #[test]
    fn a_chain_is_drawn_so_far_and_no_further() {
        let check = |levels: usize, cut: bool| {
            let names: Vec<String> = (0..=levels).map(|level| format!("s{level}")).collect();
            let reads: Vec<Vec<&str>> = (0..=levels)
                .map(|level| level.checked_sub(1).map(|before| names[before].as_str()).into_iter().collect())
                .collect();
            let steps: Vec<(&str, &[&str])> =
                names.iter().zip(&reads).map(|(name, reads)| (name.as_str(), reads.as_slice())).collect();
            let text = drawn(&lineage(&steps), true, &names[levels]);
            assert_eq!(text.contains("… `--format json` has all"), cut, "{text}");
            assert_eq!(text.contains("step s0"), !cut, "{text}");
        };
        check(MAX_LEVELS - 1, false);
        check(MAX_LEVELS, true);
    }
}
