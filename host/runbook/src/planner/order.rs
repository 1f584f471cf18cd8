//! The order of the steps: each after those it reads from, else as written. Missing references and circles are told.

use crate::codes::Code;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::nearest::suggestion;
use crate::runbook::Runbook;
use palisade_model::neutral;
use std::collections::{BTreeMap, BTreeSet};

/// Gives the indexes of the steps in their order; steps in or behind a circle are left out.
pub(super) fn order(runbook: &Runbook, diagnostics: &mut Diagnostics) -> Vec<usize> {
    let by_name: BTreeMap<String, usize> =
        runbook.steps.iter().enumerate().map(|(index, step)| (step.id.value.key(), index)).collect();
    let reads: Vec<Vec<usize>> = runbook
        .steps
        .iter()
        .map(|step| {
            let known = step.inputs.iter().filter_map(|input| by_name.get(&input.value.to_lowercase()).copied());
            known.collect()
        })
        .collect();
    missing(runbook, &by_name, diagnostics);
    let mut readers = vec![Vec::new(); reads.len()];
    let mut waits: Vec<usize> = reads.iter().map(Vec::len).collect();
    for (reader, read) in
        reads.iter().enumerate().flat_map(|(reader, reads)| reads.iter().map(move |&read| (reader, read)))
    {
        if let Some(readers) = readers.get_mut(read) {
            readers.push(reader);
        }
    }
    let mut done = vec![false; reads.len()];
    let mut order = Vec::with_capacity(reads.len());
    let mut ready: BTreeSet<usize> = (0..reads.len()).filter(|&index| waits.get(index) == Some(&0)).collect();
    while let Some(index) = ready.pop_first() {
        if let Some(slot) = done.get_mut(index) {
            *slot = true;
        }
        order.push(index);
        for &reader in readers.get(index).into_iter().flatten() {
            if let Some(count) = waits.get_mut(reader) {
                *count = count.saturating_sub(1);
                if *count == 0 {
                    ready.insert(reader);
                }
            }
        }
    }
    circles(runbook, &reads, &done, diagnostics);
    order
}

fn missing(runbook: &Runbook, by_name: &BTreeMap<String, usize>, diagnostics: &mut Diagnostics) {
    let names: Vec<&str> = runbook.steps.iter().map(|step| step.id.value.as_str()).collect();
    for input in runbook.steps.iter().flat_map(|step| &step.inputs) {
        if by_name.contains_key(&input.value.to_lowercase()) || diagnostics.is_full() {
            continue;
        }
        let shown = neutral::line(&input.value, 60);
        let declared = runbook.inputs.iter().any(|declared| declared.name.value == input.value);
        let diagnostic = if declared {
            let message = format!("`{shown}` is an input of the runbook, which this build can't be given");
            Diagnostic::new(Code::NotAvailable, &runbook.source, input.span, message)
        } else {
            let message = format!("there is no artifact `{shown}`");
            Diagnostic::new(Code::UnknownReference, &runbook.source, input.span, message)
                .with_help_if(suggestion(&input.value, names.iter().copied()))
        };
        diagnostics.push(diagnostic);
    }
}

/// Tells each circle once, as the way that closes it.
fn circles(runbook: &Runbook, reads: &[Vec<usize>], done: &[bool], diagnostics: &mut Diagnostics) {
    let open = |index: usize| done.get(index) == Some(&false);
    // Which walk came by; 0 = none. A walk that meets an earlier one ends: that one found the circle.
    let mut walks = vec![0_usize; reads.len()];
    for start in (0..reads.len()).filter(|&start| open(start)) {
        let walk = start + 1;
        let mut way = Vec::new();
        let mut next = Some(start);
        // Every open step reads from an open step, so walking on must come back to one that was seen.
        while let Some(index) = next {
            let Some(mark) = walks.get_mut(index).filter(|mark| **mark == 0) else { break };
            *mark = walk;
            way.push(index);
            next = reads.get(index).and_then(|reads| reads.iter().copied().find(|&read| open(read)));
        }
        let closing = next.filter(|&index| walks.get(index) == Some(&walk));
        if let Some(first) = closing.and_then(|index| way.iter().position(|&seen| seen == index)) {
            diagnostics.push(circle_diagnostic(runbook, way.get(first..).unwrap_or_default()));
        }
    }
}

/// Begins with the step that is written first.
fn circle_diagnostic(runbook: &Runbook, circle: &[usize]) -> Diagnostic {
    let at = circle.iter().enumerate().min_by_key(|&(_, index)| index).map_or(0, |(at, _)| at);
    let steps: Vec<_> = circle.iter().filter_map(|&index| runbook.steps.get(index)).collect();
    let steps: Vec<_> = steps.iter().cycle().skip(at).take(steps.len() + 1).collect();
    let names: Vec<String> = steps.iter().map(|step| format!("`{}`", step.id.value)).collect();
    let message = format!("artifacts depend on each other in a circle: {}", names.join(" reads "));
    let links: Vec<_> = steps
        .windows(2)
        .filter_map(|pair| {
            let (reader, read) = (pair.first()?, pair.last()?);
            let input = reader.inputs.iter().find(|input| input.value.to_lowercase() == read.id.value.key())?;
            Some((input.span, format!("`{}` reads `{}`", reader.id.value, read.id.value)))
        })
        .collect();
    let mut links = links.into_iter();
    let span = links.next().map(|(span, _)| span).unwrap_or_default();
    links.fold(Diagnostic::new(Code::Cycle, &runbook.source, span, message), |diagnostic, (span, text)| {
        diagnostic.with_label(span, text)
    })
}
