//! Conditions (`when`, `until`) in CEL: read once, evaluated over the documents of artifacts under a step budget.
//!
//! Before an evaluation, an upper bound of its steps is computed from the expression and the data
//! ([`crate::condition_cost`]); a condition whose bound is above a budget is not evaluated. The same data therefore
//! always gives the same answer.

use crate::condition_cost;
use crate::condition_words::{of_evaluation, of_syntax, of_type};
use crate::reference::Segment;
use crate::source::Span;
use cel::common::ast::{EntryExpr, Expr, IdedExpr, LiteralValue, operators};
use cel::objects::{Key, Map};
use cel::parser::Parser;
use cel::{Context, Value as CelValue};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// Most bytes of a condition.
const MAX_BYTES: usize = 2_048;
/// Deepest nesting of a condition: the parser and the evaluator are recursive.
const MAX_DEPTH: u16 = 32;
/// Most steps of one evaluation: a fraction of a second.
const MAX_STEPS: u64 = 1_000_000;
/// Most characters of what the parser or the evaluator says, which quotes the condition or the data.
const MAX_MESSAGE_CHARS: usize = 400;

/// A condition.
#[derive(Debug, Clone, PartialEq)]
pub struct Condition {
    text: String,
    pub(crate) expression: IdedExpr,
    names: BTreeSet<String>,
}

/// Why a text is no condition.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConditionError {
    /// It is too long.
    #[error("a condition has at most {MAX_BYTES} bytes")]
    TooLong,
    /// It nests too deep.
    #[error("a condition nests at most {MAX_DEPTH} levels deep")]
    TooDeep,
    /// It is not CEL.
    #[error("this is not a condition: {message}")]
    Syntax {
        /// Character of the condition from 0 where it goes wrong, where that is known.
        at: Option<usize>,
        /// What is wrong.
        message: String,
    },
}

/// Why a condition has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EvaluationError {
    /// It could take too many steps over this data.
    #[error("it could take {steps} steps over this data, at most {MAX_STEPS} are allowed")]
    TooCostly {
        /// An upper bound.
        steps: u64,
    },
    /// It gives something other than a truth value.
    #[error("it gives {kind}, not true or false")]
    NotBoolean {
        /// What it gives.
        kind: String,
    },
    /// It goes wrong.
    #[error("{message}")]
    Failed {
        /// How.
        message: String,
    },
}

impl Condition {
    /// Reads a condition.
    ///
    /// # Errors
    /// When it is too long, nests too deep or is not CEL.
    pub fn parse(text: &str) -> Result<Self, ConditionError> {
        if text.len() > MAX_BYTES {
            return Err(ConditionError::TooLong);
        }
        let parser = Parser::new().max_recursion_depth(MAX_DEPTH).error_recovery_limit(4);
        let expression = parser.parse(text).map_err(|errors| syntax_error(text, &errors))?;
        let mut names = BTreeSet::new();
        free_names(&expression, &mut Vec::new(), &mut names);
        Ok(Self { text: text.to_owned(), expression, names })
    }

    /// The text as written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The artifacts and inputs that it speaks of, each once.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str)
    }

    /// Where one of its names stands first, if the condition itself stands at `span`.
    pub(crate) fn place(&self, name: &str, span: Span) -> Span {
        let part_of_word = |c: char| c.is_alphanumeric() || c == '_';
        let is_name = |&(at, _): &(usize, &str)| {
            let (before, behind) = self.text.split_at(at);
            !before.ends_with(|c: char| part_of_word(c) || c == '.')
                && !behind.get(name.len()..).is_some_and(|rest| rest.starts_with(part_of_word))
        };
        let found = self.text.match_indices(name).find(is_name);
        found.map_or(span, |(at, _)| span.part(&self.text, at..at + name.len()))
    }

    /// Whether it has the same answer whatever the data, and which.
    #[must_use]
    pub fn constant(&self) -> Option<bool> {
        self.names.is_empty().then(|| self.evaluate(&BTreeMap::new()).ok()).flatten()
    }

    /// Says whether it holds. `documents` has what each of its names stands for.
    ///
    /// # Errors
    /// When it could take too many steps, goes wrong, or gives no truth value.
    pub fn evaluate(&self, documents: &BTreeMap<String, Value>) -> Result<bool, EvaluationError> {
        let steps = condition_cost::steps(&self.expression, documents);
        if steps > MAX_STEPS {
            return Err(EvaluationError::TooCostly { steps });
        }
        let mut context = Context::default();
        for (name, document) in documents {
            context.add_variable_from_value(name.clone(), to_cel(document));
        }
        match context.resolve(&self.expression) {
            Ok(CelValue::Bool(truth)) => Ok(truth),
            Ok(other) => Err(EvaluationError::NotBoolean { kind: of_type(&other.type_of().to_string()).to_owned() }),
            Err(error) => Err(EvaluationError::Failed { message: of_evaluation(&error) }),
        }
    }
}

fn syntax_error(text: &str, errors: &cel::ParseErrors) -> ConditionError {
    let Some(first) = errors.errors.first() else {
        return ConditionError::Syntax { at: None, message: "it can't be read".to_owned() };
    };
    if first.msg.contains("Recursion limit") {
        return ConditionError::TooDeep;
    }
    let message = palisade_model::neutral::line(&of_syntax(&first.msg), MAX_MESSAGE_CHARS);
    let (line, column) = (usize::try_from(first.pos.0).ok(), usize::try_from(first.pos.1).ok());
    let before = |line: usize| {
        text.split_inclusive('\n').take(line.saturating_sub(1)).map(|line| line.chars().count()).sum::<usize>()
    };
    let at =
        line.zip(column).filter(|&(line, _)| line > 0).map(|(line, column)| before(line) + column.saturating_sub(1));
    ConditionError::Syntax { at, message }
}

/// All parts of an expression, except those of a comprehension.
pub(crate) fn parts(expression: &Expr) -> Vec<&IdedExpr> {
    match expression {
        Expr::Call(call) => call.target.as_deref().into_iter().chain(&call.args).collect(),
        Expr::List(list) => list.elements.iter().collect(),
        Expr::Select(select) => vec![&select.operand],
        Expr::Map(map) => map.entries.iter().flat_map(|entry| entry_parts(&entry.expr)).collect(),
        Expr::Struct(made) => made.entries.iter().flat_map(|entry| entry_parts(&entry.expr)).collect(),
        Expr::Comprehension(_) | Expr::Ident(_) | Expr::Literal(_) | Expr::Unspecified => Vec::new(),
    }
}

fn entry_parts(entry: &EntryExpr) -> Vec<&IdedExpr> {
    match entry {
        EntryExpr::StructField(field) => vec![&field.value],
        EntryExpr::MapEntry(entry) => vec![&entry.key, &entry.value],
    }
}

fn free_names<'e>(expression: &'e IdedExpr, bound: &mut Vec<&'e str>, names: &mut BTreeSet<String>) {
    match &expression.expr {
        Expr::Ident(name) => {
            if !bound.contains(&name.as_str()) {
                names.insert(name.clone());
            }
        }
        Expr::Comprehension(all) => {
            free_names(&all.iter_range, bound, names);
            free_names(&all.accu_init, bound, names);
            let before = bound.len();
            bound.extend([all.iter_var.as_str(), all.accu_var.as_str()]);
            bound.extend(all.iter_var2.as_deref());
            for inner in [&all.loop_cond, &all.loop_step, &all.result] {
                free_names(inner, bound, names);
            }
            bound.truncate(before);
        }
        other => parts(other).into_iter().for_each(|part| free_names(part, bound, names)),
    }
}

fn to_cel(value: &Value) -> CelValue {
    match value {
        Value::Null => CelValue::Null,
        Value::Bool(truth) => CelValue::Bool(*truth),
        Value::Number(number) => {
            number.as_i64().map(CelValue::Int).unwrap_or_else(|| CelValue::Float(number.as_f64().unwrap_or(f64::NAN)))
        }
        Value::String(text) => CelValue::String(Arc::new(text.clone())),
        Value::Array(list) => CelValue::List(Arc::new(list.iter().map(to_cel).collect())),
        Value::Object(map) => {
            let entries = map.iter().map(|(key, value)| (Key::from(key.clone()), to_cel(value)));
            CelValue::Map(Map { map: Arc::new(entries.collect::<HashMap<_, _>>()) })
        }
    }
}

/// The name and path that an expression spells: `a.b[0]`.
pub(crate) fn path(expression: &IdedExpr) -> Option<(&str, Vec<Segment>)> {
    match &expression.expr {
        Expr::Ident(name) => Some((name, Vec::new())),
        Expr::Select(select) => {
            let (name, mut path) = path(&select.operand)?;
            path.push(Segment::Key(select.field.clone()));
            Some((name, path))
        }
        Expr::Call(call) if call.func_name == operators::INDEX => {
            let [of, index] = call.args.as_slice() else { return None };
            let (name, mut path) = path(of)?;
            path.push(match &index.expr {
                Expr::Literal(LiteralValue::Int(index)) => Segment::Index(usize::try_from(*index.inner()).ok()?),
                Expr::Literal(LiteralValue::String(key)) => Segment::Key(key.inner().to_owned()),
                _ => return None,
            });
            Some((name, path))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(text: &str, document: &Value, expected: &str) {
        let answer = match Condition::parse(text) {
            Err(error) => error.to_string(),
            Ok(condition) => {
                let documents = condition.names().map(|name| (name.to_owned(), document[name].clone())).collect();
                condition.evaluate(&documents).map_or_else(|error| error.to_string(), |truth| truth.to_string())
            }
        };
        assert_eq!(answer, expected, "{text}");
    }

    #[test]
    fn conditions_speak_of_documents() {
        let data =
            json!({"a": {"summary": {"total": 3, "rate": 0.5}, "list": [{"x": "y"}, {"x": "z"}]}, "b": {"ok": true}});
        check("a.summary.total > 2 && b.ok", &data, "true");
        check("a.summary.total == 3.0 && a.summary.rate < 1", &data, "true");
        check("a.list.exists(item, item.x == 'z')", &data, "true");
        check("size(a.list) == 3", &data, "false");
        check("has(a.summary.none) || a.list[0].x.startsWith('y')", &data, "true");
        check("true", &data, "true");
    }

    #[test]
    fn what_goes_wrong_is_told() {
        let data = json!({"a": {"n": 1, "text": "x"}});
        check("a.n", &data, "it gives a number, not true or false");
        check("a.none > 1", &data, "there is no property `none`");
        check("a.list[7] > 1", &json!({"a": {"list": [1]}}), "a list has no item 7, counted from 0");
        check("a.n / 0 == 1", &data, "it divides by zero");
        check("a.n + a.text == 1", &data, "`+` can't be used with a number and a text");
        check("a.text.none() > 1", &data, "there is no function `none`");
        check("none(a) > 1", &data, "there is no function `none`");
        check("9223372036854775807 + a.n > 1", &data, "a number gets too large for `+`");
        check("a.text.matches('(')", &data, "`matches` fails over this data");
        check("a.n +", &data, "this is not a condition: it ends too early");
        check("a.n = 3", &data, "this is not a condition: `=` can't stand here");
        check("a.n \u{1b} 3", &data, "this is not a condition: `\\u{1b}` can't stand here");
        check(&"(".repeat(40), &data, "a condition nests at most 32 levels deep");
        check(&"a".repeat(3_000), &data, "a condition has at most 2048 bytes");
    }

    #[test]
    fn names_are_those_that_no_loop_binds() {
        let condition = Condition::parse("a.list.all(x, x.y == b && z.all(a, a > x))").unwrap();
        assert_eq!(condition.names().collect::<Vec<_>>(), ["a", "b", "z"]);
        assert_eq!(Condition::parse("1 > 2").unwrap().constant(), Some(false));
        assert_eq!(Condition::parse("a > 2").unwrap().constant(), None);
    }

    #[test]
    fn a_loop_within_loops_is_not_begun() {
        let list: Vec<u32> = (0..100).collect();
        let data = json!({"a": list});
        check("a.all(x, x >= 0)", &data, "true");
        let Err(error) = Condition::parse("a.all(x, a.all(y, a.all(z, x + y + z >= 0)))")
            .unwrap()
            .evaluate(&BTreeMap::from([("a".to_owned(), data["a"].clone())]))
        else {
            panic!("it was evaluated")
        };
        assert!(matches!(error, EvaluationError::TooCostly { .. }), "{error}");
    }

    #[test]
    fn comparing_lists_within_a_loop_counts_each_of_their_items() {
        let list: Vec<u32> = (0..2_000).collect();
        let data = json!({"a": list});
        check("a == a && 7 in a", &data, "true");
        check("a.all(x, x != 700 && x in [0, 1] || x > 1)", &data, "true");
        for costly in ["a.all(x, a == a)", "a.all(x, x in a)"] {
            let condition = Condition::parse(costly).unwrap();
            let refused = condition.evaluate(&BTreeMap::from([("a".to_owned(), data["a"].clone())]));
            assert!(matches!(refused, Err(EvaluationError::TooCostly { .. })), "{costly}: {refused:?}");
        }
    }

    #[test]
    fn paths_are_recognised() {
        let of = |text: &str| {
            let condition = Condition::parse(text).unwrap();
            path(&condition.expression).map(|(name, path)| (name.to_owned(), path.len()))
        };
        assert_eq!(of("a.b[0]['c']"), Some(("a".to_owned(), 3)));
        assert_eq!(of("a"), Some(("a".to_owned(), 0)));
        assert_eq!(of("a.b + 1"), None);
    }
}
