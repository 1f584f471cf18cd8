use super::super::{LineageArtifact, StepChild};
use super::*;
use palisade_interpreter::Parent;
use palisade_model::Digest;
use palisade_model::record::ComponentRecord;
use std::convert::Infallible;

/// The runs of a family by their numbers.
type Family = BTreeMap<u8, Lineage>;

fn id(run: u8) -> RunId {
    RunId::new(1, [run; 10])
}

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
        exported: true,
    }
}

/// A step of the id of what it makes.
fn step(makes: &str, reads: &[&str], children: &[u8]) -> LineageStep {
    let read = |name: &&str| Read { artifact: (*name).to_owned(), port: Some("in".to_owned()), used_as: Use::Input };
    let child = |(place, run): (usize, &u8)| StepChild {
        run_id: id(*run),
        iteration: u32::try_from(place).unwrap() + 1,
        state: "succeeded",
        // The first makes two items, the second three, and so on.
        made: vec![("out".to_owned(), place as u64 + 2)],
    };
    LineageStep {
        step: makes.parse().unwrap(),
        kind: "map",
        component: None,
        children: children.iter().enumerate().map(child).collect(),
        taken_from: None,
        maps_child: true,
        state: "succeeded",
        attempts: 1,
        data: Vec::new(),
        called: Vec::new(),
        allowed: Vec::new(),
        reads: reads.iter().map(read).collect(),
        makes: vec![makes.to_owned()],
    }
}

/// A run of these steps, whose input is `in` and which offers its last artifact as `out`.
fn run(steps: Vec<LineageStep>, parent: Option<(u8, &str)>) -> Lineage {
    let made = |step: &LineageStep| {
        let from = Origin::Step { step: step.step.clone(), port: "out".to_owned() };
        artifact(&step.makes[0], from)
    };
    let given = artifact("in", Origin::Input { is_default: false });
    let artifacts: Vec<_> = std::iter::once(given).chain(steps.iter().map(made)).collect();
    let offers = BTreeMap::from([("out".to_owned(), artifacts.last().unwrap().name.clone())]);
    let parent =
        parent.map(|(run, step)| Parent { run: id(run), seq: 1, step: step.parse().unwrap(), root: id(1), depth: 1 });
    Lineage { artifacts, steps, offers, parent }
}

/// 1 has a map over `in`, with the children 2, 3 and 4, then one over what that made, with 5; 6 is the planner before.
fn family() -> Family {
    let leaf = |parent| run(vec![step("made", &["in"], &[])], Some(parent));
    let mut plan = step("plan", &["in"], &[6]);
    (plan.maps_child, plan.kind, plan.children[0].iteration) = (false, "execute_workflow", 0);
    let mut each = step("each", &["in", "plan"], &[2, 3, 4]);
    each.reads[1] = Read { artifact: "plan".to_owned(), port: None, used_as: Use::Runbook };
    let root = run(vec![plan, each, step("again", &["each"], &[5])], None);
    let (each, again) = ((1, "each"), (1, "again"));
    BTreeMap::from([
        (1, root),
        (2, leaf(each)),
        (3, leaf(each)),
        (4, leaf(each)),
        (5, leaf(again)),
        (6, leaf((1, "plan"))),
    ])
}

/// What is followed, as `RUN: artifacts | steps` for each run, and the runs that are gaps.
fn followed(
    family: &Family,
    first: u8,
    (name, item): (&str, Option<u64>),
    up: bool,
    most: usize,
) -> (Vec<String>, Vec<RunId>) {
    let start = Start { artifacts: vec![(name, item)], up, down: !up };
    let number = |run: RunId| family.keys().copied().find(|number| id(*number) == run);
    let mut read = |run| {
        let read = |number| (number, Rc::new(family[&number].clone()));
        Ok::<_, Infallible>(number(run).map(read).ok_or(()))
    };
    let asked = (id(first), first, Rc::new(family[&first].clone()));
    let Ok(found) = Followed::<u8, ()>::from(asked, &start, most, &mut read);
    let part = |relative: &Relative<u8>| if up { relative.up.clone() } else { relative.down.clone() };
    let told = found.runs.iter().filter(|relative| !part(relative).is_empty()).map(|relative| {
        let part = part(relative);
        let steps: Vec<_> = part.steps.iter().map(StepId::as_str).collect();
        let artifacts: Vec<_> = part.artifacts.iter().map(String::as_str).collect();
        format!("{}: {} | {}", relative.run, artifacts.join(" "), steps.join(" "))
    });
    (told.collect(), found.gaps.iter().map(|gap| gap.run).collect())
}

#[track_caller]
fn check(first: u8, what: (&str, Option<u64>), up: bool, expected: &[&str]) {
    assert_eq!(
        followed(&family(), first, what, up, 9),
        (expected.iter().map(|line| (*line).to_owned()).collect(), vec![])
    );
}

#[test]
fn upwards_all_children_are_gone_into_that_made_it() {
    let leaves = ["2: in made | made", "3: in made | made", "4: in made | made"];
    check(1, ("plan", None), true, &["1: in plan | plan", "6: in made | made"]);
    check(1, ("each", None), true, &[&["1: each in plan | each plan"], &leaves[..], &["6: in made | made"]].concat());
}

#[test]
fn an_item_came_of_the_child_that_made_it_and_no_other() {
    for (item, child) in [(0, 2), (1, 2), (2, 3), (4, 3), (5, 4), (8, 4)] {
        let of_child = format!("{child}: in made | made");
        check(1, ("each", Some(item)), true, &["1: each in plan | each plan", &of_child, "6: in made | made"]);
    }
    // The only child of the second map went over the first item of what the first made.
    let expected =
        ["1: again each in plan | again each plan", "5: in made | made", "2: in made | made", "6: in made | made"];
    check(1, ("again", Some(0)), true, &expected);
}

#[test]
fn a_child_leads_to_what_had_it_run() {
    check(3, ("made", None), true, &["3: in made | made", "1: in plan | each plan", "6: in made | made"]);
    // It went over an item that the first child of the map before had made.
    let expected = ["5: in made | made", "1: each in plan | again each plan", "2: in made | made", "6: in made | made"];
    check(5, ("in", None), true, &[&["5: in | "], &expected[1..]].concat());
}

#[test]
fn downwards_children_are_gone_into_and_left_again() {
    let expected = ["1: again each | again each", "3: in made | made", "5: in made | made"];
    check(3, ("in", None), false, &[expected[1], expected[0], expected[2]]);
    // A runbook is behind all that its runs made.
    let all =
        ["1: again each plan | again each", "2: made | made", "3: made | made", "4: made | made", "5: in made | made"];
    check(1, ("plan", None), false, &all);
    // An item went to the child that it was given to.
    let item = ["1: again each in plan | again each plan", "6: in made | made", "2: in made | made"];
    let (told, _) = followed(&family(), 1, ("in", Some(0)), false, 9);
    assert!(told.starts_with(&item.map(str::to_owned)), "{told:?}");
}

#[test]
fn what_can_not_be_read_is_a_gap_and_the_rest_is_told() {
    let mut without = family();
    without.remove(&3);
    let (told, gaps) = followed(&without, 1, ("each", None), true, 9);
    assert_eq!((told.len(), gaps), (4, vec![id(3)]));
    // The run above can be one too.
    without.remove(&1);
    let expected = (vec!["2: in made | made".to_owned()], vec![id(1)]);
    assert_eq!(followed(&without, 2, ("made", None), true, 9), expected);
    assert_eq!(followed(&without, 2, ("made", None), false, 9), (vec!["2: made | ".to_owned()], vec![id(1)]));
}

#[test]
fn so_many_runs_are_followed_and_no_more() {
    let (told, gaps) = followed(&family(), 1, ("each", None), true, 5);
    assert_eq!((told.len(), gaps.len()), (5, 0));
    let (told, gaps) = followed(&family(), 1, ("each", None), true, 4);
    assert_eq!((told.len(), gaps.len()), (4, 1));
    // Those that can't be told are read too.
    let mut reads = 0;
    let none = &mut |_| {
        reads += 1;
        Ok::<_, Infallible>(Err(()))
    };
    let start = Start { artifacts: vec![("each", None)], up: true, down: false };
    let Ok(found) = Followed::<u8, ()>::from((id(1), 1, Rc::new(family()[&1].clone())), &start, 3, none);
    let why: Vec<_> = found.gaps.iter().map(|gap| gap.why).collect();
    assert_eq!((reads, why), (2, vec![Some(()), Some(()), None, None]));
}

#[test]
fn nothing_is_followed_once_nothing_can_be_read() {
    let mut reads = 0;
    let fails = &mut |_| {
        reads += 1;
        Err("no disk")
    };
    let start = Start { artifacts: vec![("each", None)], up: true, down: true };
    let failed = Followed::<u8, ()>::from((id(1), 1, Rc::new(family()[&1].clone())), &start, 9, fails).unwrap_err();
    assert_eq!((failed, reads), ("no disk", 1));
}

#[test]
fn a_fork_is_not_left_through_children_that_another_run_started() {
    let mut all = family();
    all.insert(7, all[&1].clone());
    let expected = [
        "7: again each in plan | again each plan",
        "6: in made | made",
        "2: in made | made",
        "3: in made | made",
        "4: in made | made",
        "5: in made | made",
    ];
    let (told, gaps) = followed(&all, 7, ("in", None), false, 9);
    assert_eq!((told, gaps), (expected.map(str::to_owned).to_vec(), vec![]));
    // A child leads to the run that started it.
    let (told, _) = followed(&all, 3, ("made", None), false, 9);
    assert!(told.iter().any(|run| run.starts_with('1')) && told.iter().all(|run| !run.starts_with('7')), "{told:?}");
}

#[test]
fn what_a_loop_runs_next_gets_what_it_ran_before() {
    let mut all = family();
    all.get_mut(&1).unwrap().steps[1].maps_child = false;
    let expected = ["3: in made | made", "1: again each | again each", "4: made | made", "5: in made | made"];
    let (told, gaps) = followed(&all, 3, ("in", None), false, 9);
    assert_eq!((told, gaps), (expected.map(str::to_owned).to_vec(), vec![]));
    // Of a map, each has its own item.
    let (told, _) = followed(&family(), 3, ("in", None), false, 9);
    assert!(told.iter().all(|run| !run.starts_with('4')), "{told:?}");
}

#[test]
fn of_what_an_agent_had_run_all_belongs_to_what_it_made() {
    let mut all = family();
    let agent = &mut all.get_mut(&1).unwrap().steps[1];
    agent.component = Some(ComponentRecord {
        component: "test:agent".parse().unwrap(),
        version: "1.0.0".parse().unwrap(),
        digest: Digest::of(b"agent"),
    });
    (agent.maps_child, agent.kind) = (false, "agent");
    let (told, _) = followed(&all, 1, ("each", Some(0)), true, 9);
    assert_eq!(told.len(), 5, "{told:?}");
    // What a child made went to the agent, and so into all that it made.
    let (told, _) = followed(&all, 3, ("made", None), false, 9);
    assert_eq!(told[1..3], ["1: again each | again each", "4: made | made"], "{told:?}");
    assert!(told.iter().all(|run| !run.starts_with('2')), "{told:?}");
    // What it had run before may be why the next is as it is, what it had run later not.
    let (told, _) = followed(&all, 3, ("made", None), true, 9);
    assert!(told.contains(&"2: in made | made".to_owned()) && !told.iter().any(|run| run.starts_with('4')), "{told:?}");
}

#[test]
fn a_circle_of_runs_ends() {
    let mut all = family();
    all.get_mut(&1).unwrap().parent = all[&3].parent.clone();
    for up in [true, false] {
        let _ = followed(&all, 3, ("made", None), up, 9);
    }
}
