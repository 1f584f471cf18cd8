//! The worst case as a table: the most that the run can come to, and which step has most of it.

use super::{Style, heading, table, way};
use palisade_model::unit::{Bytes, Count, MicroUsd, Millis};
use palisade_runbook::{FUEL_PER_CPU_MS, Measure, PlanDocument, UNBOUNDED, WorstCase};
use std::fmt::Write as _;

pub(super) fn show(out: &mut String, document: &PlanDocument, style: Style<'_>) {
    let (worst, threads) = (&document.worst_case, document.assumed.threads);
    let _ = writeln!(out, "\n{}", heading(style, &format!("Worst case, with {threads} instances computing at once")));
    let mut rows = vec![vec![String::new(), "at most".to_owned(), "most of it in".to_owned()]];
    for measure in Measure::all() {
        let amount = worst.bound.get(measure);
        let only_if_any =
            matches!(measure, Measure::Generated | Measure::Egress | Measure::CompensationRuns | Measure::Compensation);
        if only_if_any && amount == 0 {
            continue;
        }
        rows.push(vec![name(measure).to_owned(), shown(measure, amount), most(worst, measure)]);
    }
    table(out, &rows);
    let (wall, all) = (worst.bound.get(Measure::Wall), worst.unlimited.get(Measure::Wall));
    if wall < all {
        let computing = Millis(wall.saturating_mul(threads));
        let _ = writeln!(
            out,
            "  the run is ended after {}, in which {threads} instances compute for {computing} at most; one after the other its steps \
             could take {}",
            Millis(wall),
            shown(Measure::Wall, all)
        );
    }
    if worst.bound.get(Measure::CompensationRuns) > 0 {
        out.push_str("  what undoes runs only if the run fails or is cancelled, and no limit of the run ends it\n");
    }
    if worst.bound.get(Measure::Generated) > 0 {
        out.push_str(
            "  what is generated has no fuel of its own here: its time bounds it, and its plan when it is there\n",
        );
    }
}

fn most(worst: &WorstCase, measure: Measure) -> String {
    let Some(steps) = worst.dominating.get(&measure) else { return String::new() };
    let share = worst.steps.iter().find(|share| steps.first() == Some(&share.step));
    let (part, all) = (share.map_or(0, |share| share.amounts.get(measure)), worst.unlimited.get(measure));
    let percent = match measure {
        Measure::Memory | Measure::ChildDepth => String::new(),
        _ if all == UNBOUNDED => String::new(),
        _ => format!(" ({} %)", u128::from(part) * 100 / u128::from(all.max(1))),
    };
    format!("{}{percent}", way(steps))
}

pub(super) const fn name(measure: Measure) -> &'static str {
    match measure {
        Measure::ComponentRuns => "component runs",
        Measure::Fuel => "CPU time",
        Measure::Generated => "generated",
        Measure::Memory => "peak memory",
        Measure::Wall => "wall time",
        Measure::LlmCalls => "LLM calls",
        Measure::LlmCost => "LLM cost",
        Measure::Egress => "sent to one server",
        Measure::ChildDepth => "child depth",
        Measure::CompensationRuns => "runs to undo",
        Measure::Compensation => "time to undo",
    }
}

/// An amount for people.
pub(crate) fn shown(measure: Measure, amount: u64) -> String {
    if amount == UNBOUNDED {
        return match measure {
            Measure::LlmCalls => "as many as the cost pays for".to_owned(),
            _ => "more than can be counted".to_owned(),
        };
    }
    match measure {
        Measure::ComponentRuns | Measure::LlmCalls | Measure::ChildDepth | Measure::CompensationRuns => {
            Count(amount).to_string()
        }
        Measure::Fuel => format!("about {} (fuel {})", Millis(amount / FUEL_PER_CPU_MS), Count(amount)),
        Measure::Memory | Measure::Egress => Bytes(amount).to_string(),
        Measure::Wall | Measure::Generated | Measure::Compensation => Millis(amount).to_string(),
        Measure::LlmCost => MicroUsd(amount).to_string(),
    }
}
