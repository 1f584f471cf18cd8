//! The authority closure: everything that any step could touch, and what is denied.

use super::{Style, foreign, heading, painted, steps, table, way};
use palisade_runbook::{PlanDocument, Touch, Toucher};
use std::fmt::Write as _;

pub(super) fn show(out: &mut String, document: &PlanDocument, style: Style<'_>) {
    let closure = &document.authority;
    let _ = writeln!(out, "\n{}", heading(style, "What it could touch"));
    table(out, &closure.touches.iter().map(row).collect::<Vec<_>>());
    for touch in closure.touches.iter().filter(|touch| !touch.granted) {
        let denied = painted(style, "1;31", &format!("{} {} is denied", touch.reached.power.name(), touch.reached));
        let _ = writeln!(out, "  {denied}: {}", touch.denial.as_deref().unwrap_or_default());
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
    out.push_str("  nothing else: this build has no power to write databases, and only what is listed above reaches a network or writes files\n");
}

fn row(touch: &Touch) -> Vec<String> {
    let verdict = if touch.granted { "granted" } else { "DENIED" };
    let by: Vec<String> = touch.by.iter().map(toucher).collect();
    let except: Vec<String> = touch.except.iter().map(|within| format!("`{within}`")).collect();
    let except = if except.is_empty() { String::new() } else { format!(" except {}", except.join(", ")) };
    let (power, place) = (touch.reached.power.name(), touch.reached.to_string());
    vec![verdict.to_owned(), power.to_owned(), place + &except, format!("by {}", by.join(", "))]
}

fn toucher(by: &Toucher) -> String {
    match &by.pointer {
        Some(pointer) if pointer.is_empty() => way(&by.step),
        Some(pointer) => format!("{} (`{}`)", way(&by.step), foreign(pointer)),
        None => format!("{} (only where links lead there)", way(&by.step)),
    }
}
