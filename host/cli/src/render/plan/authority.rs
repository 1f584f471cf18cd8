//! The authority closure: everything that any step could touch, and what is denied.

use super::{Style, foreign, heading, painted, steps, table, way};
use palisade_runbook::{PlanDocument, Touch, Toucher};
use std::fmt::Write as _;

pub(super) fn show(out: &mut String, document: &PlanDocument, style: Style<'_>) {
    let closure = &document.authority;
    let _ = writeln!(out, "\n{}", heading(style, "What it could touch"));
    let granted: Vec<_> = closure.touches.iter().filter(|touch| touch.granted).map(row).collect();
    table(out, &granted);
    for touch in closure.touches.iter().filter(|touch| !touch.granted) {
        let mut text = row(touch);
        if let Some(verdict) = text.first_mut() {
            *verdict = painted(style, "1;31", verdict);
        }
        let _ = writeln!(out, "  {}", text.join("  "));
        let _ = writeln!(out, "    {}", touch.denial.as_deref().unwrap_or_default());
        if let Some(allow) = &touch.allow {
            let _ = writeln!(out, "    `{allow}` would allow it for one run");
        }
    }
    for open in &closure.open {
        let may = open.components.as_ref().map_or_else(
            || "what the operator allows generated runbooks".to_owned(),
            |allowed| steps::components(allowed),
        );
        let _ = writeln!(
            out,
            "  step {} runs what is not planned yet: of components {may}, within the above",
            way(&open.step)
        );
    }
    out.push_str("  nothing else: this build has no power to write, to reach a network or to call a model\n");
}

fn row(touch: &Touch) -> Vec<String> {
    let path = touch.path.as_ref().map_or_else(|| "every path".to_owned(), ToString::to_string);
    let verdict = if touch.granted { "granted" } else { "DENIED" };
    let by: Vec<String> = touch.by.iter().map(toucher).collect();
    vec![verdict.to_owned(), touch.power.name().to_owned(), path, format!("by {}", by.join(", "))]
}

fn toucher(by: &Toucher) -> String {
    match &by.pointer {
        Some(pointer) => format!("{} (`{}`)", way(&by.step), foreign(pointer)),
        None => format!("{} (only where links lead there)", way(&by.step)),
    }
}
