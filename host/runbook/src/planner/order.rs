//! The order of the steps: each after those it waits for, else as written. Missing references, references to what comes
//! later and circles are told.

use crate::codes::Code;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::nearest::suggestion;
use crate::runbook::{Form, Runbook, Step, Work};
use crate::source::Span;
use palisade_model::neutral;
use std::collections::{BTreeMap, BTreeSet};

/// A step that another waits for, and where that is written.
#[derive(Debug, Clone, Copy)]
struct Wait {
    step: usize,
    span: Span,
}

/// Gives the indexes of the steps in their order; steps in or behind a circle are left out.
pub(crate) fn order(runbook: &Runbook, diagnostics: &mut Diagnostics) -> Vec<usize> {
    let waits = waits(runbook, diagnostics);
    let mut readers = vec![Vec::new(); waits.len()];
    let mut open: Vec<usize> = waits.iter().map(Vec::len).collect();
    for (reader, wait) in
        waits.iter().enumerate().flat_map(|(reader, waits)| waits.iter().map(move |wait| (reader, wait)))
    {
        if let Some(readers) = readers.get_mut(wait.step) {
            readers.push(reader);
        }
    }
    let mut done = vec![false; waits.len()];
    let mut order = Vec::with_capacity(waits.len());
    let mut ready: BTreeSet<usize> = (0..waits.len()).filter(|&index| open.get(index) == Some(&0)).collect();
    while let Some(index) = ready.pop_first() {
        if let Some(slot) = done.get_mut(index) {
            *slot = true;
        }
        order.push(index);
        for &reader in readers.get(index).into_iter().flatten() {
            if let Some(count) = open.get_mut(reader) {
                *count = count.saturating_sub(1);
                if *count == 0 {
                    ready.insert(reader);
                }
            }
        }
    }
    circles(runbook, &waits, &done, diagnostics);
    order
}

/// What the names in a runbook stand for.
struct Names {
    /// The step that makes an artifact; the first, where there are several.
    makers: BTreeMap<String, usize>,
    ids: BTreeMap<String, usize>,
    given: BTreeSet<String>,
}

impl Names {
    fn of(runbook: &Runbook) -> Self {
        let mut names = Self {
            makers: BTreeMap::new(),
            ids: BTreeMap::new(),
            given: runbook.inputs.iter().map(|input| input.name.value.key()).collect(),
        };
        for (index, step) in runbook.steps.iter().enumerate() {
            names.ids.entry(step.id.value.key()).or_insert(index);
            for artifact in step.artifacts() {
                names.makers.entry(artifact.value.key()).or_insert(index);
            }
        }
        names
    }
}

/// What each step waits for. What is missing or comes too late is told and left out.
fn waits(runbook: &Runbook, diagnostics: &mut Diagnostics) -> Vec<Vec<Wait>> {
    let names = Names::of(runbook);
    let mut all = Vec::with_capacity(runbook.steps.len());
    for (index, step) in runbook.steps.iter().enumerate() {
        let mut waits = Vec::new();
        for needed in step.needs() {
            let key = needed.value.to_lowercase();
            match names.makers.get(&key) {
                _ if names.given.contains(&key) || runbook.spoilt.contains(&key) => {}
                Some(&maker) => waits.push(Wait { step: maker, span: needed.span }),
                None => missing(runbook, needed.value, needed.span, &names, diagnostics),
            }
        }
        for after in &step.after {
            let key = after.value.to_lowercase();
            match names.ids.get(&key) {
                Some(&maker) => waits.push(Wait { step: maker, span: after.span }),
                None if runbook.spoilt.contains(&key) => {}
                None => {
                    let message = format!("there is no step `{}`", neutral::line(&after.value, 60));
                    let maker = names.makers.get(&key).and_then(|&index| runbook.steps.get(index));
                    let braces = after.value.contains("{{").then(|| "steps are named without braces".to_owned());
                    let help =
                        braces.or_else(|| maker.map(|step| format!("the step that makes it is `{}`", step.id.value)));
                    let known = runbook.steps.iter().map(|step| step.id.value.as_str());
                    let unknown = Diagnostic::new(Code::UnknownReference, &runbook.source, after.span, message)
                        .with_help_if(help.or_else(|| suggestion(&after.value, known)));
                    diagnostics.push(unknown);
                }
            }
        }
        if runbook.form == Form::Execution {
            waits.retain(|wait| {
                let earlier = wait.step < index;
                if !earlier {
                    later(runbook, step, *wait, diagnostics);
                }
                earlier
            });
        }
        if let Some(undo) = &step.compensate {
            undone(runbook, index, undo, &names, diagnostics);
        }
        all.push(waits);
    }
    all
}

/// Checks what a compensation needs: it may also read what the step made that it undoes.
fn undone(runbook: &Runbook, index: usize, undo: &Step, names: &Names, diagnostics: &mut Diagnostics) {
    for needed in undo.needs() {
        let key = needed.value.to_lowercase();
        match names.makers.get(&key) {
            _ if names.given.contains(&key) || runbook.spoilt.contains(&key) => {}
            Some(&maker) if maker <= index => {}
            Some(&maker) => later(runbook, undo, Wait { step: maker, span: needed.span }, diagnostics),
            None => missing(runbook, needed.value, needed.span, names, diagnostics),
        }
    }
}

fn missing(runbook: &Runbook, name: &str, span: Span, names: &Names, diagnostics: &mut Diagnostics) {
    if diagnostics.is_full() {
        return;
    }
    let step = names.ids.get(&name.to_lowercase()).and_then(|&index| runbook.steps.get(index));
    let called = step.map(|step| {
        let names: Vec<String> = step.artifacts().iter().map(|name| format!("`{}`", name.value)).collect();
        match (names.is_empty(), &step.work) {
            (true, Work::Child(_)) => format!("name what the step `{}` makes: give it an `output`", step.id.value),
            (true, _) => format!("the step `{}` makes no artifact", step.id.value),
            (false, _) => format!("what the step `{}` makes is called {}", step.id.value, names.join(", ")),
        }
    });
    let braces = name.contains("{{").then(|| "write the bare name: in this form braces are just text".to_owned());
    let artifacts = runbook.steps.iter().flat_map(Step::artifacts).map(|name| name.value.as_str());
    let known: Vec<&str> = artifacts.chain(runbook.inputs.iter().map(|input| input.name.value.as_str())).collect();
    let message = format!("there is no artifact `{}`", neutral::line(name, 60));
    let unknown = Diagnostic::new(Code::UnknownReference, &runbook.source, span, message)
        .with_help_if(braces.or(called).or_else(|| suggestion(name, known.iter().copied())));
    diagnostics.push(unknown);
}

fn later(runbook: &Runbook, step: &Step, wait: Wait, diagnostics: &mut Diagnostics) {
    let Some(maker) = runbook.steps.get(wait.step) else { return };
    let of = |message: String| Diagnostic::new(Code::LaterReference, &runbook.source, wait.span, message);
    let later = match std::ptr::eq(maker, step) {
        true => of(format!("step `{}` refers to itself", step.id.value))
            .with_help("a step can use only what earlier steps make"),
        false => of(format!("step `{}` refers to step `{}`, which comes later", step.id.value, maker.id.value))
            .with_label(maker.id.span, "comes here")
            .with_help("move it behind the step that it needs: a runbook reads from top to bottom"),
    };
    diagnostics.push(later);
}

/// Tells each circle once, as the way that closes it.
fn circles(runbook: &Runbook, waits: &[Vec<Wait>], done: &[bool], diagnostics: &mut Diagnostics) {
    let open = |index: usize| done.get(index) == Some(&false);
    // Which walk came by; 0 = none. A walk that meets an earlier one ends: that one found the circle.
    let mut walks = vec![0_usize; waits.len()];
    for start in (0..waits.len()).filter(|&start| open(start)) {
        let walk = start + 1;
        let mut way = Vec::new();
        let mut next = Some(start);
        // Every open step waits for an open step, so walking on must come back to one that was seen.
        while let Some(index) = next {
            let Some(mark) = walks.get_mut(index).filter(|mark| **mark == 0) else { break };
            *mark = walk;
            way.push(index);
            next = waits.get(index).and_then(|waits| waits.iter().map(|wait| wait.step).find(|&step| open(step)));
        }
        let closing = next.filter(|&index| walks.get(index) == Some(&walk));
        if let Some(first) = closing.and_then(|index| way.iter().position(|&seen| seen == index)) {
            diagnostics.push(circle_diagnostic(runbook, waits, way.get(first..).unwrap_or_default()));
        }
    }
}

/// Begins with the step that is written first.
fn circle_diagnostic(runbook: &Runbook, waits: &[Vec<Wait>], circle: &[usize]) -> Diagnostic {
    let at = circle.iter().enumerate().min_by_key(|&(_, index)| index).map_or(0, |(at, _)| at);
    let around: Vec<usize> = circle.iter().copied().cycle().skip(at).take(circle.len() + 1).collect();
    let name = |index: usize| runbook.steps.get(index).map_or_else(String::new, |step| format!("`{}`", step.id.value));
    let names: Vec<String> = around.iter().map(|&index| name(index)).collect();
    let message = format!("artifacts depend on each other in a circle: {}", names.join(" reads "));
    let mut links = around.windows(2).filter_map(|pair| {
        let (&reader, &read) = (pair.first()?, pair.last()?);
        let wait = waits.get(reader)?.iter().find(|wait| wait.step == read)?;
        Some((wait.span, format!("{} reads {}", name(reader), name(read))))
    });
    let span = links.next().map(|(span, _)| span).unwrap_or_default();
    links.fold(Diagnostic::new(Code::Cycle, &runbook.source, span, message), |diagnostic, (span, text)| {
        diagnostic.with_label(span, text)
    })
}
