//! A lineage as a tree: artifacts with the steps behind them, or with those that read them.

use super::{GapTold, HangsFrom, LineageDocument, RelativeTold};
use crate::render::runs::{foreign, painted, signed};
use palisade_engine::{Allowed, Answer, Called, Lineage, LineageArtifact, LineageStep, Origin, StepChild};
use palisade_model::unit::{Bytes, Count};
use palisade_model::{RunId, StepId};
use palisade_runbook::Use;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

/// Most levels of artifacts that are shown: a chain of steps may be of any length, and nobody reads further.
const MAX_LEVELS: usize = 50;
/// Most child runs of a step that are shown.
const MAX_CHILDREN: usize = 20;
/// Most requests of a model that are named.
const MAX_REQUESTS: usize = 3;
const MORE: &str = "… `--format json` has all";

/// Draws parts of lineages, that of the run that was asked about and those of runs that hang together with it.
pub(super) struct Tree<'l> {
    document: &'l LineageDocument,
    up: bool,
    colour: bool,
    /// The other runs and what can't be told, by the runs: a step may have a hundred thousand children.
    runs: BTreeMap<RunId, &'l RelativeTold>,
    gaps: BTreeMap<RunId, &'l GapTold>,
    /// Artifacts and steps whose branches are drawn, by their runs.
    drawn: BTreeSet<(RunId, &'l str)>,
    steps: BTreeSet<(RunId, &'l StepId)>,
    out: String,
}

/// The part of a run that is drawn.
#[derive(Clone, Copy)]
struct Place<'l> {
    run: RunId,
    part: &'l Lineage,
}

/// What hangs on a step.
enum Below<'l> {
    Artifact(Place<'l>, &'l LineageArtifact, &'static str),
    /// A child run, with what of it is drawn.
    Child(&'l RelativeTold, &'l Lineage, String),
    Step(Place<'l>, &'l LineageStep),
    Text(String),
}

impl<'l> Tree<'l> {
    /// Upwards or downwards; other runs are gone into where they are met.
    pub(super) fn new(document: &'l LineageDocument, up: bool, colour: bool) -> Self {
        let runs = document.runs.iter().map(|other| (other.run.run_id, other)).collect();
        let gaps = document.gaps.iter().map(|gap| (gap.run_id, gap)).collect();
        let (drawn, steps) = Default::default();
        Self { document, up, colour, runs, gaps, drawn, steps, out: String::new() }
    }

    /// Draws an artifact of the run that was asked about and all beyond it.
    pub(super) fn add_asked(&mut self, part: &'l Lineage, name: &str) {
        self.add(self.document.run.run_id, part, name);
    }

    /// Draws an artifact of a run and all beyond it.
    pub(super) fn add(&mut self, run: RunId, part: &'l Lineage, name: &str) {
        if let Some(artifact) = part.artifact(name) {
            self.artifact(Place { run, part }, artifact, "", ("  ", "  "), 0);
        }
    }

    /// Draws a step of a run that started `child`, and all that it had for that, child runs before it among it.
    pub(super) fn add_step(&mut self, of: &'l RelativeTold, started: &HangsFrom, child: RunId) {
        let Some(part) = &of.up else { return };
        let Some(step) = part.step(&started.step) else { return };
        let place = Place { run: of.run.run_id, part };
        let turn = turn(step, started.iteration);
        let turn = if turn.is_empty() { turn } else { format!("{turn}  of ") };
        let _ = writeln!(self.out, "  {turn}{}\n  of {}", self.step_line(step), of.run.line(self.colour));
        let mut below = leaves(step);
        below.extend(self.children(place, step, step.before(child)));
        below.extend(self.read(place, step));
        self.below(below, "  ", 0);
    }

    /// What was drawn since it was taken last.
    pub(super) fn take(&mut self) -> String {
        std::mem::take(&mut self.out)
    }

    /// `first` stands before its line, `rest` before those below it.
    fn artifact(
        &mut self,
        place: Place<'l>,
        artifact: &'l LineageArtifact,
        suffix: &str,
        (first, rest): (&str, &str),
        level: usize,
    ) {
        let seen = !self.drawn.insert((place.run, &artifact.name));
        let steps: Vec<&'l LineageStep> = match (&artifact.from, self.up) {
            (Origin::Step { step, .. }, true) => place.part.step(step).into_iter().collect(),
            (_, true) => Vec::new(),
            (_, false) => {
                let reads = |step: &&LineageStep| step.reads.iter().any(|read| read.artifact == artifact.name);
                place.part.steps.iter().filter(reads).collect()
            }
        };
        let more = match (seen || level == MAX_LEVELS, steps.is_empty()) {
            (false, _) | (_, true) => String::new(),
            _ if seen => "  (see above)".to_owned(),
            _ => format!("  {MORE}"),
        };
        let line = format!("{first}{}{suffix}{more}", self.artifact_line(place, artifact));
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
        let mut below = if self.up { leaves(step) } else { Vec::new() };
        below.extend(self.started(place, step));
        if self.up {
            below.extend(self.read(place, step));
        } else {
            let made = step.makes.iter().filter_map(|name| place.part.artifact(name));
            below.extend(made.map(|artifact| Below::Artifact(place, artifact, "")));
        }
        let more = if below.is_empty() {
            String::new()
        } else if level > MAX_LEVELS {
            format!("  {MORE}")
        } else if self.steps.insert((place.run, &step.step)) {
            String::new()
        } else {
            // Two of its artifacts belong to it, or whoever can write the database made a circle of runs.
            "  (see above)".to_owned()
        };
        let _ = writeln!(self.out, "{first}{}{more}", self.step_line(step));
        if more.is_empty() {
            self.below(below, rest, level);
        }
    }

    fn below(&mut self, below: Vec<Below<'l>>, rest: &str, level: usize) {
        let count = below.len();
        for (index, one) in below.into_iter().enumerate() {
            let (branch, trunk) = branches(index + 1 == count);
            let (first, rest) = (format!("{rest}{branch}"), format!("{rest}{trunk}"));
            match one {
                Below::Text(text) => {
                    let _ = writeln!(self.out, "{first}{text}");
                }
                Below::Artifact(place, artifact, suffix) => {
                    self.artifact(place, artifact, suffix, (&first, &rest), level + 1);
                }
                Below::Step(place, step) => self.step(place, step, &first, &rest, level + 1),
                Below::Child(child, part, what) => {
                    let state = signed(self.colour, &child.run.state);
                    let _ = writeln!(self.out, "{first}{what}{state}  {}", self.child_line(child.run.run_id));
                    let below = self.of_child(child, part, "");
                    self.below(below, &rest, level + 1);
                }
            }
        }
    }

    /// What a step read.
    fn read(&self, place: Place<'l>, step: &'l LineageStep) -> Vec<Below<'l>> {
        let mut told = BTreeSet::new();
        let reads = step.reads.iter().filter(|read| told.insert((&read.artifact, read.used_as)));
        let read = |read: &palisade_engine::Read| {
            Some(Below::Artifact(place, place.part.artifact(&read.artifact)?, used_as(read.used_as)))
        };
        reads.filter_map(read).collect()
    }

    /// The child runs that a step started, as far as they belong to it.
    fn started(&self, place: Place<'l>, step: &'l LineageStep) -> Vec<Below<'l>> {
        if let ([only], None) = (step.children.as_slice(), &step.component)
            && only.iteration == 0
        {
            return match self.child(only) {
                Some((child, part)) => self.of_child(child, part, "  of the child run"),
                None => self.gap(only).map(|gap| Below::Text(not_told(gap))).into_iter().collect(),
            };
        }
        self.children(place, step, &step.children)
    }

    /// Several child runs of a step, as far as they belong to it.
    fn children(&self, place: Place<'l>, step: &'l LineageStep, children: &'l [StepChild]) -> Vec<Below<'l>> {
        let (mut all, mut more, mut others) = (Vec::new(), 0_u64, 0_u64);
        if children.is_empty() {
            return all;
        }
        for one in children {
            let turn = turn(step, one.iteration);
            let what = if turn.is_empty() { turn } else { format!("{turn}  ") };
            let below = match (self.child(one), self.gap(one)) {
                (Some((child, part)), _) => Below::Child(child, part, what),
                (None, Some(gap)) => Below::Text(format!("{what}child run {}  {}", one.run_id, not_told(gap))),
                (None, None) => {
                    others += 1;
                    continue;
                }
            };
            if all.len() < MAX_CHILDREN { all.push(below) } else { more += 1 }
        }
        if more > 0 {
            all.push(Below::Text(format!("{} more  {MORE}", Count(more))));
        }
        // Those that were too many are told with the first of them; others are known to have no part in it.
        let of_step = |gap: &&GapTold| gap.met_in == place.run && gap.step.as_ref() == Some(&step.step);
        let untold = self.document.gaps.iter().filter(of_step);
        let untold: u64 = untold.map(|gap| gap.runs - 1).sum();
        if untold > 0 {
            all.push(Below::Text(format!("{} more can't be told, see below", Count(untold))));
        }
        let others = others.saturating_sub(untold);
        if others > 0 {
            let have = if others == 1 { "has" } else { "have" };
            all.push(Below::Text(format!("{} {have} no part in it", Count(others).of("other child run"))));
        }
        all
    }

    fn child(&self, child: &StepChild) -> Option<(&'l RelativeTold, &'l Lineage)> {
        let found = *self.runs.get(&child.run_id)?;
        let part = if self.up { &found.up } else { &found.down };
        Some((found, part.as_ref()?))
    }

    fn gap(&self, child: &StepChild) -> Option<&'l GapTold> {
        self.gaps.get(&child.run_id).copied()
    }

    /// Where what is drawn of a child begins: with what its parent took of it, or gave it.
    fn of_child(&self, child: &'l RelativeTold, part: &'l Lineage, suffix: &'static str) -> Vec<Below<'l>> {
        let place = Place { run: child.run.run_id, part };
        if !self.up && child.given.is_empty() {
            let begins = |step: &&LineageStep| step.reads.iter().all(|read| part.artifact(&read.artifact).is_none());
            return part.steps.iter().filter(begins).map(|step| Below::Step(place, step)).collect();
        }
        let names = if self.up { &child.results } else { &child.given };
        let begins = names.iter().filter_map(|name| part.artifact(name));
        begins.map(|artifact| Below::Artifact(place, artifact, suffix)).collect()
    }

    /// What the input of a child run was above.
    fn given(&self, run: RunId, name: &str) -> Option<String> {
        let document = self.document;
        let other = |run: RunId| self.runs.get(&run);
        let parent = if run == document.run.run_id { &document.parent } else { &other(run)?.parent };
        let parent = parent.as_ref()?;
        let part = if parent.run_id == document.run.run_id { &document.up } else { &other(parent.run_id)?.up };
        let step = part.as_ref()?.step(&parent.step)?;
        let read = step.reads.iter().find(|read| read.port.as_deref() == Some(name) && step.component.is_none())?;
        let item = match parent.iteration {
            item if item > 0 && step.maps_child && step.reads.first() == Some(read) => format!("item {item} of "),
            _ => String::new(),
        };
        Some(format!("{item}`{}` of the run above", foreign(&read.artifact)))
    }

    fn artifact_line(&self, place: Place<'l>, artifact: &LineageArtifact) -> String {
        let mut facts = vec![painted(self.colour, "1", &foreign(&artifact.name))];
        if !artifact.also.is_empty() {
            let names = artifact.also.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            facts.push(format!("also {}", foreign(&names)));
        }
        facts.push(match &artifact.from {
            Origin::Step { .. } => String::new(),
            Origin::Input { is_default: false } => match self.given(place.run, &artifact.name) {
                Some(what) => format!("input of the run, {what}"),
                None => "input of the run".to_owned(),
            },
            Origin::Input { is_default: true } => "input of the run, its default".to_owned(),
            Origin::Ruleset => "ruleset".to_owned(),
        });
        facts.push(artifact.items.map_or_else(String::new, |items| Count(items).of("item")));
        facts.push(artifact.bytes.map_or_else(String::new, |bytes| Bytes(bytes).to_string()));
        facts.push(artifact.digest.map_or_else(|| absent(artifact).to_owned(), |digest| digest.short()));
        facts.push(artifact.schema.to_string());
        facts.push(if artifact.exported { "result".to_owned() } else { String::new() });
        facts.push(artifact.erased.as_ref().map_or_else(String::new, |at| format!("its data were erased {at}")));
        facts.retain(|fact| !fact.is_empty());
        facts.join("  ")
    }

    /// A child run by its id, and by what it ran where that can be told.
    fn child_line(&self, child: RunId) -> String {
        let known = self.runs.get(&child).map(|other| &other.run);
        let ran = known.map_or_else(String::new, |head| {
            let name = painted(self.colour, "1", &foreign(&head.name));
            format!("  {name}  runbook {}", head.runbook_digest.short())
        });
        format!("child run {child}{ran}")
    }

    fn step_line(&self, step: &LineageStep) -> String {
        let runs = match (&step.component, step.children.as_slice()) {
            (Some(ran), _) => format!("{}@{} {}", ran.component, ran.version, ran.digest.short()),
            (None, []) => step.taken_from.map_or_else(String::new, |run| format!("from run {run}")),
            (None, [child]) if child.iteration == 0 => self.child_line(child.run_id),
            (None, children) => Count(children.len() as u64).of("child run"),
        };
        let tried = step.attempts > 1 && step.children.len() < 2;
        let attempts = if tried { format!("  in {} attempts", step.attempts) } else { String::new() };
        let state = signed(self.colour, step.state);
        let line = format!("{state}  step {}  {}  {runs}{attempts}", step.step, step.kind);
        line.trim_end().to_owned()
    }
}

/// Which of the child runs of a step; empty where it has but one at a time.
fn turn(step: &LineageStep, iteration: u32) -> String {
    match iteration {
        0 => String::new(),
        item if step.maps_child => format!("item {item}"),
        iteration => format!("iteration {iteration}"),
    }
}

/// What is said of an artifact that has no digest.
const fn absent(artifact: &LineageArtifact) -> &'static str {
    match artifact.from {
        Origin::Input { .. } => "not given",
        Origin::Step { .. } | Origin::Ruleset => "not made",
    }
}

/// What a step had by itself: answers, what it called, the data that its config names.
fn leaves<'l>(step: &LineageStep) -> Vec<Below<'l>> {
    let allowed = step.allowed.iter().map(|answer| said(step, answer));
    let called = step.called.iter().map(called);
    let data = step.data.iter().map(|path| format!("{}  file or folder that its config names", foreign(path)));
    allowed.chain(called).chain(data).map(Below::Text).collect()
}

fn called(called: &Called) -> String {
    match called {
        Called::Component { component: called, calls } => {
            let (digest, calls) = (called.digest.short(), Count(*calls).of("time"));
            format!("{}@{} {digest}  called {calls}", called.component, called.version)
        }
        Called::Model { model, calls, requests } => {
            let shown: Vec<_> = requests.iter().take(MAX_REQUESTS).map(|request| request.short()).collect();
            let more = if requests.len() > MAX_REQUESTS { ", …" } else { "" };
            let calls = Count(*calls).of("time");
            format!("model {}  asked {calls}: request {}{more}", foreign(model), shown.join(", "))
        }
    }
}

fn not_told(gap: &GapTold) -> String {
    format!("can't be told: {}", foreign(&gap.message))
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
    use crate::render::lineage::What;
    use crate::render::runs::RunHead;
    use palisade_engine::Read;
    use palisade_model::Digest;

    fn artifact(name: &str, from: Origin) -> LineageArtifact {
        LineageArtifact {
            name: name.to_owned(),
            also: Vec::new(),
            from,
            schema: "x/1.0.0".parse().unwrap(),
            digest: None,
            items: None,
            bytes: None,
            erased: None,
            exported: false,
        }
    }

    /// Each step makes the artifact of its name from those that are named.
    fn lineage(steps: &[(&str, &[&str])]) -> Lineage {
        let made = |name: &str| artifact(name, Origin::Step { step: name.parse().unwrap(), port: "out".to_owned() });
        let read = |name: &&str| Read { artifact: (*name).to_owned(), port: None, used_as: Use::Input };
        let step = |(name, reads): &(&str, &[&str])| LineageStep {
            step: name.parse().unwrap(),
            kind: "analyse",
            component: None,
            children: Vec::new(),
            taken_from: None,
            maps_child: false,
            state: "succeeded",
            attempts: 1,
            data: Vec::new(),
            called: Vec::new(),
            allowed: Vec::new(),
            reads: reads.iter().map(read).collect(),
            makes: vec![(*name).to_owned()],
        };
        Lineage {
            artifacts: steps.iter().map(|(name, _)| made(name)).collect(),
            steps: steps.iter().map(step).collect(),
            offers: BTreeMap::new(),
            parent: None,
        }
    }

    fn id(run: u8) -> RunId {
        RunId::new(1, [run; 10])
    }

    fn head(run: u8) -> RunHead {
        RunHead {
            run_id: id(run),
            name: "n".to_owned(),
            state: "succeeded".to_owned(),
            started_at: "then".to_owned(),
            palisade_version: String::new(),
            runbook_digest: Digest::of(b"runbook"),
            plan_digest: Digest::of(b"plan"),
            edited: false,
        }
    }

    /// Child runs by their iterations.
    fn children(runs: &[(u8, u32)]) -> Vec<StepChild> {
        let child = |&(run, iteration): &(u8, u32)| {
            let (run_id, state, made) = (id(run), "succeeded", Vec::new());
            StepChild { run_id, iteration, state, made }
        };
        runs.iter().map(child).collect()
    }

    fn relative(run: u8) -> RelativeTold {
        let (results, given) = (Vec::new(), Vec::new());
        RelativeTold { run: head(run), parent: None, results, given, up: None, down: None }
    }

    /// A document of the first run and these others.
    fn document(runs: Vec<RelativeTold>) -> LineageDocument {
        let what = What::Artifact { names: vec!["a".to_owned()] };
        LineageDocument { v: 1, run: head(1), parent: None, what, up: None, down: None, runs, gaps: Vec::new() }
    }

    fn drawn(lineage: &Lineage, up: bool, name: &str) -> String {
        let document = document(Vec::new());
        let mut tree = Tree::new(&document, up, false);
        tree.add_asked(lineage, name);
        tree.take()
    }

    #[test]
    fn what_is_needed_twice_is_drawn_once() {
        let lineage = lineage(&[("a", &[]), ("b", &["a"]), ("c", &["a", "b", "a"])]);
        let expected = "  c  not made  x/1.0.0
  └─ ✓ succeeded  step c  analyse
     ├─ a  not made  x/1.0.0
     │  └─ ✓ succeeded  step a  analyse
     └─ b  not made  x/1.0.0
        └─ ✓ succeeded  step b  analyse
           └─ a  not made  x/1.0.0  (see above)
";
        assert_eq!(drawn(&lineage, true, "c"), expected);
        let expected = "  b  not made  x/1.0.0
  └─ ✓ succeeded  step c  analyse
     └─ c  not made  x/1.0.0
";
        assert_eq!(drawn(&lineage, false, "b"), expected);
    }

    #[test]
    fn a_step_that_two_artifacts_lead_to_is_drawn_once() {
        let mut lineage = lineage(&[("a", &[]), ("b", &["a"]), ("d", &["b", "c"])]);
        lineage.artifacts.push(artifact("c", lineage.artifacts[1].from.clone()));
        let expected = "  d  not made  x/1.0.0
  └─ ✓ succeeded  step d  analyse
     ├─ b  not made  x/1.0.0
     │  └─ ✓ succeeded  step b  analyse
     │     └─ a  not made  x/1.0.0
     │        └─ ✓ succeeded  step a  analyse
     └─ c  not made  x/1.0.0
        └─ ✓ succeeded  step b  analyse  (see above)
";
        assert_eq!(drawn(&lineage, true, "d"), expected);
    }

    #[test]
    fn a_circle_of_runs_is_drawn_once() {
        // Whichever of the runs it is, a step of it started both others.
        let circle = || {
            let mut part = lineage(&[("s", &[])]);
            part.steps[0].children = children(&[(2, 1), (3, 2)]);
            part.steps[0].makes.clear();
            part
        };
        let other = |run| RelativeTold { down: Some(circle()), ..relative(run) };
        let document = document(vec![other(2), other(3)]);
        let mut first = circle();
        first.steps[0].reads.push(Read { artifact: "a".to_owned(), port: None, used_as: Use::Input });
        first.artifacts.push(artifact("a", Origin::Input { is_default: false }));
        let mut tree = Tree::new(&document, false, false);
        tree.add_asked(&first, "a");
        let (two, three) = (tree.child_line(id(2)), tree.child_line(id(3)));
        let step = "✓ succeeded  step s  analyse  2 child runs";
        let expected = format!(
            "  a  input of the run  not given  x/1.0.0
  └─ {step}
     ├─ iteration 1  ✓ succeeded  {two}
     │  └─ {step}
     │     ├─ iteration 1  ✓ succeeded  {two}
     │     │  └─ {step}  (see above)
     │     └─ iteration 2  ✓ succeeded  {three}
     │        └─ {step}
     │           ├─ iteration 1  ✓ succeeded  {two}
     │           │  └─ {step}  (see above)
     │           └─ iteration 2  ✓ succeeded  {three}
     │              └─ {step}  (see above)
     └─ iteration 2  ✓ succeeded  {three}
        └─ {step}  (see above)
"
        );
        assert_eq!(tree.take(), expected);
    }

    #[test]
    fn above_a_run_stand_those_that_its_step_started_before() {
        let mut part = lineage(&[("a", &[]), ("s", &["a"])]);
        part.steps[1].children = children(&[(2, 1), (3, 2), (1, 3), (4, 4)]);
        let above = RelativeTold { up: Some(part), ..relative(9) };
        let before = RelativeTold { results: vec!["b".to_owned()], up: Some(lineage(&[("b", &[])])), ..relative(2) };
        // Of one of those before nothing belongs to it.
        let document = document(vec![above, before, relative(3)]);
        let mut tree = Tree::new(&document, true, false);
        let started = HangsFrom { run_id: id(9), step: "s".parse().unwrap(), iteration: 3 };
        tree.add_step(&document.runs[0], &started, id(1));
        let two = tree.child_line(id(2));
        let expected = format!(
            "  ├─ iteration 1  ✓ succeeded  {two}
  │  └─ b  not made  x/1.0.0
  │     └─ ✓ succeeded  step b  analyse
  ├─ 1 other child run has no part in it
  └─ a  not made  x/1.0.0
     └─ ✓ succeeded  step a  analyse
"
        );
        let text = tree.take();
        assert!(text.starts_with("  iteration 3  of ✓ succeeded  step s  analyse  4 child runs\n  of n "), "{text}");
        assert!(text.ends_with(&expected), "{text}");
        // Those of a map have nothing to do with each other.
        let mut mapped = lineage(&[("s", &[])]);
        mapped.steps[0].children = children(&[(2, 1), (1, 2)]);
        mapped.steps[0].maps_child = true;
        assert!(mapped.steps[0].before(id(1)).is_empty());
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
