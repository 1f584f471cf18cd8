//! How good the estimate of a run was.

use super::{foreign, painted};
use crate::render::table;
use palisade_model::unit::{Bytes, Millis};
use palisade_runbook::{Compared, Comparison, PerMeasure};

/// Estimates below which a percentage says more about rounding than about them: times are noted in milliseconds.
const LEAST_MS: u64 = 10;

/// The comparison as text; empty if nothing was estimated.
pub(crate) fn comparison(comparison: &Comparison, colour: bool) -> String {
    let mut rows: Vec<Vec<String>> =
        comparison.steps.iter().map(|step| row(&foreign(step.step.as_str()), &step.measures)).collect();
    rows.extend(comparison.run.iter().map(|measures| row("the run", measures)));
    if rows.is_empty() {
        return String::new();
    }
    let heads = ["", "CPU", "wall", "memory", "made"].map(str::to_owned).to_vec();
    rows.insert(0, heads);
    let mut out = format!("\n{}\n", painted(colour, "1", "Estimated and used"));
    table(&mut out, &rows);
    out
}

fn row(name: &str, measures: &PerMeasure<Compared>) -> Vec<String> {
    let time = |compared: &Compared| cell(compared, LEAST_MS, |ms| Millis(ms).to_string());
    let bytes = |compared: &Compared| cell(compared, 1, |bytes| Bytes(bytes).to_string());
    vec![
        name.to_owned(),
        time(&measures.cpu_ms),
        time(&measures.wall_ms),
        bytes(&measures.memory_bytes),
        bytes(&measures.output_bytes),
    ]
}

/// `1.2 s → 1 s (-17 %)`.
fn cell(compared: &Compared, least: u64, show: impl Fn(u64) -> String) -> String {
    let (expected, used) = (compared.estimated.expected, compared.used);
    let error = compared.error_percent.filter(|_| expected >= least);
    let error = error.map_or_else(String::new, |percent| match percent {
        0 => " (0 %)".to_owned(),
        percent => format!(" ({percent:+} %)"),
    });
    format!("{} → {}{error}", show(expected), show(used))
}
