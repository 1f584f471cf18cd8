//! What a condition can give over documents of known schemas: paths that lead nowhere, comparisons that never hold, loops
//! over what is no list. It knows less than CEL and never objects to what it does not know.

use crate::condition::path;
use crate::documents::{Place, Types, follow, follow_from, in_words, types};
use crate::reference::Segment;
use cel::common::ast::{ComprehensionExpr, Expr, IdedExpr, LiteralValue, operators};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// What is known of a value.
#[derive(Debug, Clone)]
pub(crate) struct Known<'s> {
    types: Types,
    /// Its schema, and the whole schema that this is a part of.
    schema: Option<(&'s Value, &'s Value)>,
    /// It is a whole document, which has a count of its items.
    is_document: bool,
}

/// Something that is wrong with a condition.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Problem {
    /// A path into an artifact leads to nothing at this segment.
    Nothing { name: String, path: Vec<Segment>, segment: usize, known: Vec<String> },
    /// Types do not go together; in words.
    Types(String),
}

impl<'s> Known<'s> {
    /// A document of an artifact whose schema this is.
    pub(crate) fn document(schema: &'s Value) -> Self {
        Self { types: types(schema), schema: Some((schema, schema)), is_document: true }
    }

    fn of(name: &'static str) -> Self {
        Self { types: Some(BTreeSet::from([name])), schema: None, is_document: false }
    }

    fn anything() -> Self {
        Self { types: None, schema: None, is_document: false }
    }

    fn may_be(&self, name: &str) -> bool {
        self.types.as_ref().is_none_or(|types| types.contains(name))
    }

    fn words(&self) -> String {
        self.types.as_ref().map_or_else(|| "anything".to_owned(), in_words)
    }
}

/// Finds what is wrong with a condition whose names are known so far.
pub(crate) fn check(expression: &IdedExpr, names: &BTreeMap<&str, Known<'_>>) -> Vec<Problem> {
    let mut checker = Checker { names: names.clone(), problems: Vec::new() };
    let gives = checker.known(expression);
    if checker.problems.is_empty() && !gives.may_be("boolean") {
        checker.problems.push(Problem::Types(format!("the condition gives {}, not true or false", gives.words())));
    }
    checker.problems
}

struct Checker<'s, 'n> {
    names: BTreeMap<&'n str, Known<'s>>,
    problems: Vec<Problem>,
}

impl<'s, 'n> Checker<'s, 'n> {
    fn known(&mut self, expression: &'n IdedExpr) -> Known<'s> {
        match &expression.expr {
            Expr::Ident(name) => self.names.get(name.as_str()).cloned().unwrap_or_else(Known::anything),
            Expr::Literal(literal) => Known::of(match literal {
                LiteralValue::Boolean(_) => "boolean",
                LiteralValue::Double(_) | LiteralValue::Int(_) | LiteralValue::UInt(_) => "number",
                LiteralValue::Null => "null",
                LiteralValue::String(_) => "string",
                LiteralValue::Bytes(_) => return Known::anything(),
            }),
            Expr::List(list) => {
                list.elements.iter().for_each(|element| drop(self.known(element)));
                Known::of("array")
            }
            Expr::Select(select) if select.test => {
                self.known(&select.operand);
                Known::of("boolean")
            }
            Expr::Select(_) => self.path(expression),
            Expr::Call(call) if call.func_name == operators::INDEX => {
                call.args.iter().skip(1).for_each(|index| drop(self.known(index)));
                self.path(expression)
            }
            Expr::Call(call) => {
                let arguments: Vec<Known<'s>> =
                    call.target.as_deref().into_iter().chain(&call.args).map(|argument| self.known(argument)).collect();
                self.call(&call.func_name, &arguments)
            }
            Expr::Comprehension(all) => self.comprehension(all),
            Expr::Map(_) | Expr::Struct(_) => Known::of("object"),
            Expr::Unspecified => Known::anything(),
        }
    }

    /// A path: `a.b[0]`. What is no path from a known name on is not followed.
    fn path(&mut self, expression: &'n IdedExpr) -> Known<'s> {
        let Some((name, path)) = path(expression) else { return Known::anything() };
        let Some(known) = self.names.get(name) else { return Known::anything() };
        let Some((root, part)) = known.schema else { return Known::anything() };
        let place = if known.is_document { follow(root, &path) } else { follow_from(root, part, &path) };
        match place {
            Place::Schema(found) => Known { types: types(found), schema: Some((root, found)), is_document: false },
            Place::ItemCount => Known::of("number"),
            Place::Open => Known::anything(),
            Place::Nothing { segment, known } => {
                self.problems.push(Problem::Nothing { name: name.to_owned(), path, segment, known });
                Known::anything()
            }
        }
    }

    fn call(&mut self, name: &str, arguments: &[Known<'s>]) -> Known<'s> {
        match name {
            operators::LOGICAL_AND | operators::LOGICAL_OR | operators::LOGICAL_NOT => {
                if let Some(wrong) = arguments.iter().find(|argument| !argument.may_be("boolean")) {
                    self.problem(format!("{} stands where true or false is wanted", wrong.words()));
                }
                Known::of("boolean")
            }
            operators::EQUALS | operators::NOT_EQUALS => {
                self.comparable(arguments);
                Known::of("boolean")
            }
            operators::LESS | operators::LESS_EQUALS | operators::GREATER | operators::GREATER_EQUALS => {
                self.comparable(arguments);
                let ordered =
                    |argument: &&Known<'_>| !["number", "string", "boolean"].iter().any(|name| argument.may_be(name));
                if let Some(wrong) = arguments.iter().find(ordered) {
                    self.problem(format!("{} has no order: it is neither less nor greater", wrong.words()));
                }
                Known::of("boolean")
            }
            "startsWith" | "endsWith" | "contains" | "matches" | operators::IN => Known::of("boolean"),
            "size" => {
                let sized =
                    |argument: &&Known<'_>| !["array", "object", "string"].iter().any(|name| argument.may_be(name));
                if let Some(wrong) = arguments.iter().find(sized) {
                    self.problem(format!("{} has no size", wrong.words()));
                }
                Known::of("number")
            }
            operators::SUBSTRACT | operators::MULTIPLY | operators::DIVIDE | operators::MODULO => Known::of("number"),
            _ => Known::anything(),
        }
    }

    fn comparable(&mut self, arguments: &[Known<'s>]) {
        if let [left, right] = arguments
            && let (Some(left_types), Some(right_types)) = (&left.types, &right.types)
            && left_types.is_disjoint(right_types)
        {
            self.problem(format!("{} is compared with {}", left.words(), right.words()));
        }
    }

    fn problem(&mut self, message: String) {
        self.problems.push(Problem::Types(message));
    }

    /// A loop. Only lists have an order, and without one the answer could differ from run to run.
    fn comprehension(&mut self, all: &'n ComprehensionExpr) -> Known<'s> {
        let range = self.known(&all.iter_range);
        if range.types.as_ref().is_none_or(|types| !types.iter().all(|name| *name == "array")) {
            self.problem(format!("a condition can loop over a list only, and this is {}", range.words()));
        }
        let element = range.schema.map(|(root, part)| (root, follow_from(root, part, &[Segment::Index(0)])));
        let element = match element {
            Some((root, Place::Schema(found))) => {
                Known { types: types(found), schema: Some((root, found)), is_document: false }
            }
            _ => Known::anything(),
        };
        let start = self.known(&all.accu_init);
        let outer: Vec<_> = [(all.iter_var.as_str(), element), (all.accu_var.as_str(), start)]
            .into_iter()
            .map(|(name, known)| (name, self.names.insert(name, known)))
            .collect();
        self.known(&all.loop_cond);
        self.known(&all.loop_step);
        let result = self.known(&all.result);
        for (name, known) in outer {
            match known {
                Some(known) => drop(self.names.insert(name, known)),
                None => drop(self.names.remove(name)),
            }
        }
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::condition::Condition;
    use serde_json::json;

    fn check_text(text: &str, expected: &str) {
        let schema = json!({
            "type": "object",
            "properties": {
                "summary": {"type": "object", "properties": {"total": {"type": "integer"}, "title": {"type": "string"}}},
                "findings": {"type": "array", "items": {"type": "object", "properties": {"category": {"type": "string"}}}},
                "free": {},
            },
        });
        let condition = Condition::parse(text).unwrap();
        let found: Vec<String> = check(&condition.expression, &BTreeMap::from([("a", Known::document(&schema))]))
            .into_iter()
            .map(|problem| match problem {
                Problem::Nothing { path, segment, .. } => format!("nothing at {segment} of {}", path.len()),
                Problem::Types(message) => message,
            })
            .collect();
        assert_eq!(found.join("; "), expected, "{text}");
    }

    #[test]
    fn good_conditions_are_not_objected_to() {
        for good in [
            "a.summary.total > 0",
            "a.item_count >= 10 && a.summary.title.startsWith('x')",
            "a.findings.exists(f, f.category == 'email')",
            "a.findings.filter(f, f.category != '').size() > 2",
            "size(a.findings) > 0 || a.free.what.ever == 3",
            "has(a.summary.other)",
            "true",
            "a.free",
        ] {
            check_text(good, "");
        }
    }

    #[test]
    fn what_can_have_no_answer_is_told() {
        check_text("a.summary.totl > 0", "nothing at 1 of 2");
        check_text("a.summary.total", "the condition gives a number, not true or false");
        check_text("a.summary.title > 3", "a text is compared with a number");
        check_text("a.summary > a.summary", "a mapping has no order: it is neither less nor greater");
        check_text("a.summary.total && true", "a number stands where true or false is wanted");
        check_text("a.summary.all(x, true)", "a condition can loop over a list only, and this is a mapping");
        check_text("a.free.all(x, true)", "a condition can loop over a list only, and this is anything");
        check_text("a.findings.exists(f, f.categry == 'x')", "nothing at 0 of 1");
        check_text("size(a.summary.total) > 1", "a number has no size");
    }
}
