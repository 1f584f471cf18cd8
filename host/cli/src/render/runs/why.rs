//! Which steps of a run were made anew, and why.

use super::{foreign, painted};
use palisade_engine::Why;
use std::fmt::Write as _;

/// As text.
pub(crate) fn why(name: &str, all: &[Why], colour: bool) -> String {
    let mut out = format!("{}\n", painted(colour, "1", &foreign(name)));
    // Writing to a String can't fail.
    for why in all {
        let made = if why.reused { painted(colour, "32", "reused") } else { painted(colour, "33", "made anew") };
        let run = match (&why.run_id, why.reused) {
            (Some(run), true) => format!(", from run {run}"),
            (Some(run), false) => format!(", compared with run {run}"),
            (None, _) => String::new(),
        };
        let _ = writeln!(out, "  {}  {made}{run}", painted(colour, "1", why.step.as_str()));
        for because in &why.because {
            let _ = writeln!(out, "    {}", foreign(because));
        }
    }
    if all.is_empty() {
        out.push_str("  no step has made anything\n");
    }
    out
}
