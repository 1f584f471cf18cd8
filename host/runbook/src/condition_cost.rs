//! An upper bound of what the evaluation of a condition takes, from the condition and the data, without evaluating it.
//!
//! Everything that CEL can do ends, but loops in loops, comparisons of whole documents within a loop, and lists of lists
//! that double can take as long, or as much memory, as they please. A step is one value that is looked at or copied, or
//! [`STEP_BYTES`] of a text.

use crate::condition::{parts, path};
use crate::reference::Segment;
use cel::common::ast::{CallExpr, ComprehensionExpr, Expr, IdedExpr, LiteralValue, operators};
use regex::RegexBuilder;
use serde_json::Value;
use std::collections::BTreeMap;

/// Bytes of a text that are looked at in one step.
const STEP_BYTES: usize = 64;
/// Steps of compiling a small pattern, and how many times slower than a comparison it looks at a text.
const PATTERN_STEPS: u64 = 500;
const PATTERN_FACTOR: u64 = 10;
/// Most bytes of a small pattern, compiled.
const PATTERN_BYTES: usize = 64 << 10;
/// Steps of compiling any other pattern, or one that comes from the data.
const LARGE_PATTERN_STEPS: u64 = 250_000;

/// What evaluating an expression takes at most, and what it gives at most.
#[derive(Debug, Clone, Copy)]
struct Bound {
    steps: u64,
    /// The steps of looking at all of what it gives.
    size: u64,
    /// How many elements that has, and the size of the largest.
    count: u64,
    element: u64,
}

impl Bound {
    /// One value that is no list, or of which nothing more is known.
    const fn one(steps: u64, size: u64) -> Self {
        Self { steps, size, count: size, element: size }
    }

    /// A part of a document.
    fn of_value(steps: u64, value: &Value) -> Self {
        let largest = |sizes: &mut dyn Iterator<Item = u64>| sizes.max().unwrap_or(0);
        let (count, element) = match value {
            Value::Array(list) => (list.len(), largest(&mut list.iter().map(size))),
            // A loop over a mapping is one over its keys.
            Value::Object(map) => (map.len(), largest(&mut map.keys().map(|key| text_size(key)))),
            _ => (0, 0),
        };
        Self { steps, size: size(value), count: count as u64, element }
    }

    /// Several, one after the other.
    fn sum(bounds: &[Self]) -> Self {
        let total = |of: fn(&Self) -> u64| bounds.iter().map(of).fold(0, u64::saturating_add);
        Self {
            steps: total(|one| one.steps),
            size: total(|one| one.size),
            count: total(|one| one.count),
            element: bounds.iter().map(|one| one.element).max().unwrap_or(0),
        }
    }
}

/// An upper bound of the steps of an expression over documents.
pub(crate) fn steps(expression: &IdedExpr, documents: &BTreeMap<String, Value>) -> u64 {
    Measure { documents, bound: Vec::new() }.of(expression).steps
}

struct Measure<'d, 'e> {
    documents: &'d BTreeMap<String, Value>,
    /// Names that loops bind, the innermost last, with what they stand for.
    bound: Vec<(&'e str, Bound)>,
}

impl<'e> Measure<'_, 'e> {
    fn of(&mut self, expression: &'e IdedExpr) -> Bound {
        if let Some((name, path)) = path(expression) {
            return self.path(name, &path);
        }
        match &expression.expr {
            Expr::Literal(LiteralValue::String(text)) => Bound::one(1, text_size(text.inner())),
            Expr::Literal(LiteralValue::Bytes(bytes)) => Bound::one(1, 1 + bytes.inner().len() as u64),
            Expr::Literal(_) | Expr::Ident(_) | Expr::Unspecified => Bound::one(1, 1),
            Expr::Comprehension(all) => self.comprehension(all),
            Expr::Call(call) => {
                let of: Vec<Bound> = parts(&expression.expr).into_iter().map(|part| self.of(part)).collect();
                bound_of_call(call, &of)
            }
            Expr::Select(select) => {
                let of = self.of(&select.operand);
                Bound::one(of.steps.saturating_add(1), if select.test { 1 } else { of.size })
            }
            Expr::List(_) | Expr::Map(_) | Expr::Struct(_) => {
                let of: Vec<Bound> = parts(&expression.expr).into_iter().map(|part| self.of(part)).collect();
                let all = Bound::sum(&of);
                let (size, element) = (all.size.saturating_add(1), of.iter().map(|one| one.size).max().unwrap_or(0));
                // The parts are copied.
                Bound { steps: all.steps.saturating_add(size), size, count: of.len() as u64, element }
            }
        }
    }

    fn path(&self, name: &str, path: &[Segment]) -> Bound {
        let steps = 1 + path.len() as u64;
        if let Some((_, known)) = self.bound.iter().rev().find(|(known, _)| *known == name) {
            return if path.is_empty() { Bound { steps, ..*known } } else { Bound::one(steps, known.size) };
        }
        let found = self.documents.get(name).and_then(|document| {
            path.iter().try_fold(document, |value, segment| match segment {
                Segment::Key(key) => value.get(key),
                Segment::Index(index) => value.get(index),
            })
        });
        found.map_or(Bound::one(steps, 1), |value| Bound::of_value(steps, value))
    }

    fn comprehension(&mut self, all: &'e ComprehensionExpr) -> Bound {
        let range = self.of(&all.iter_range);
        let start = self.of(&all.accu_init);
        let element = Bound::one(1, range.element);
        let before = self.bound.len();
        self.bound.push((&all.iter_var, element));
        self.bound.extend(all.iter_var2.as_deref().map(|name| (name, Bound::one(1, range.size))));
        self.bound.push((&all.accu_var, start));
        let goes_on = self.of(&all.loop_cond);
        let each = self.of(&all.loop_step);
        self.bound.truncate(before);
        let collected = Bound {
            steps: 1,
            size: each.size.saturating_mul(range.count).saturating_add(start.size),
            count: each.count.saturating_mul(range.count).saturating_add(start.count),
            element: each.element.max(start.element),
        };
        self.bound.push((&all.accu_var, collected));
        let result = self.of(&all.result);
        self.bound.truncate(before);
        let loops = goes_on.steps.saturating_add(each.steps).saturating_mul(range.count);
        // Each element is copied once.
        let steps = [range.steps, range.size, start.steps, loops, result.steps];
        Bound { steps: steps.into_iter().fold(1, u64::saturating_add), ..result }
    }
}

fn bound_of_call(call: &CallExpr, of: &[Bound]) -> Bound {
    let all = Bound::sum(of);
    let truth = |work: u64| Bound::one(all.steps.saturating_add(work).saturating_add(1), 1);
    match (call.func_name.as_str(), of) {
        (operators::LOGICAL_AND | operators::LOGICAL_OR | operators::LOGICAL_NOT, _)
        | (operators::NOT_STRICTLY_FALSE, _) => truth(0),
        // A comparison ends with the smaller one.
        (
            operators::EQUALS
            | operators::NOT_EQUALS
            | operators::LESS
            | operators::LESS_EQUALS
            | operators::GREATER
            | operators::GREATER_EQUALS,
            [left, right],
        ) => truth(left.size.min(right.size)),
        ("matches", _) => {
            let pattern = call.args.last().map_or(LARGE_PATTERN_STEPS, pattern_steps);
            truth(all.size.saturating_mul(PATTERN_FACTOR).saturating_add(pattern))
        }
        (operators::IN | "contains" | "startsWith" | "endsWith" | "size", _) => truth(all.size),
        (operators::CONDITIONAL, [_, left, right]) => Bound {
            steps: all.steps.saturating_add(1),
            size: left.size.max(right.size),
            count: left.count.max(right.count),
            element: left.element.max(right.element),
        },
        // What a loop collects is added to in place.
        (operators::ADD, [_, right]) if call.args.first().is_some_and(is_collected) => {
            Bound { steps: all.steps.saturating_add(right.size), ..all }
        }
        (operators::ADD, _) => Bound { steps: all.steps.saturating_add(all.size), ..all },
        (operators::INDEX, _) => Bound::one(all.steps.saturating_add(1), all.size),
        _ => Bound::one(all.steps.saturating_add(all.size), all.size),
    }
}

/// Whether it is what a loop collects: no name that a person can write begins so.
fn is_collected(expression: &IdedExpr) -> bool {
    matches!(&expression.expr, Expr::Ident(name) if name.starts_with('@'))
}

fn pattern_steps(pattern: &IdedExpr) -> u64 {
    match &pattern.expr {
        Expr::Literal(LiteralValue::String(text)) => {
            let small = RegexBuilder::new(text.inner()).size_limit(PATTERN_BYTES).build().is_ok();
            if small { PATTERN_STEPS } else { LARGE_PATTERN_STEPS }
        }
        _ => LARGE_PATTERN_STEPS,
    }
}

fn text_size(text: &str) -> u64 {
    1 + (text.len() / STEP_BYTES) as u64
}

fn size(value: &Value) -> u64 {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 1,
        Value::String(text) => text_size(text),
        Value::Array(list) => list.iter().map(size).fold(1, u64::saturating_add),
        Value::Object(map) => map.iter().map(|(key, value)| text_size(key) + size(value)).fold(1, u64::saturating_add),
    }
}

#[cfg(test)]
mod tests {
    use crate::condition::{Condition, EvaluationError};
    use serde_json::json;

    /// Whether a condition is evaluated over a list of so many findings.
    fn check(text: &str, findings: usize, expected: bool) {
        let finding = json!({"category": "email", "evidence": [{"content": "x".repeat(200)}], "score": 0.5});
        let document =
            json!({"findings": vec![finding; findings], "summary": {"total": findings, "of": ["email", "name"]}});
        let condition = Condition::parse(text).unwrap();
        let documents = condition.names().map(|name| (name.to_owned(), document.clone())).collect();
        let answer = condition.evaluate(&documents);
        let begun = !matches!(answer, Err(EvaluationError::TooCostly { .. }));
        assert_eq!(begun, expected, "{text}: {answer:?}");
    }

    #[test]
    fn what_people_write_is_evaluated() {
        for text in [
            "a.findings.exists(f, f.category == 'name')",
            "a.findings.all(f, f.category in a.summary.of)",
            "a.findings.filter(f, f.score > 0.4).size() >= a.summary.total",
            "a.findings.exists(f, f.evidence.exists(e, e.content.contains('y')))",
            "size(a.findings) > 0 && a.findings == b.findings",
        ] {
            check(text, 2_000, true);
        }
        check("a.findings.all(f, f.category.matches('^[a-z]+$'))", 1_000, true);
    }

    #[test]
    fn what_could_take_too_long_is_not_begun() {
        check("a.findings.all(f, a.findings == b.findings)", 50, true);
        check("a.findings.all(f, a.findings == b.findings)", 2_000, false);
        check("a.findings.all(f, f in b.findings)", 2_000, false);
        check("a.findings.all(f, f.category.matches(f.category))", 3, true);
        check("a.findings.all(f, f.category.matches(f.category))", 4, false);
        check("a.findings.all(f, f.category.matches('(.{99}){99}') || true)", 4, false);
        check("a.findings.all(f, a.findings.all(g, a.findings.all(h, f != g || g != h)))", 100, false);
    }

    #[test]
    fn lists_that_double_are_not_made() {
        let doubled = |times| format!("size([1]{}) > 0", ".map(x, [x, x])".repeat(times));
        check(&doubled(10), 0, true);
        check(&doubled(25), 0, false);
        assert_eq!(Condition::parse(&doubled(25)).unwrap().constant(), None);
        let texts = |times| format!("size(['xxxxxxxx']{}) > 0", ".map(x, x + x)".repeat(times));
        check(&texts(10), 0, true);
        check(&texts(25), 0, false);
    }
}
