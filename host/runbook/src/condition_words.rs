//! What goes wrong with conditions, in the words of people who know neither CEL's grammar nor its types.
//!
//! No value of a document is ever quoted: what is told ends up in logs and on screens, whatever the data may be.

use cel::ExecutionError;
use palisade_model::neutral;

/// Most characters of a name that is quoted.
const MAX_NAME: usize = 80;

/// What the parser says.
pub(crate) fn of_syntax(message: &str) -> String {
    let quoted = || message.split_once('\'').and_then(|(_, rest)| rest.rsplit_once('\'')).map(|(quoted, _)| quoted);
    let unexpected = message
        .split(" expecting ")
        .next()
        .and_then(|first| first.split_once('\''))
        .map(|(_, rest)| rest.trim_end_matches('\''));
    match unexpected {
        Some("<EOF>") => "it ends too early".to_owned(),
        Some(token) if message.contains("input") => format!("`{token}` is not expected here"),
        _ => match quoted() {
            Some(token) => format!("`{}` can't stand here", token.trim()),
            None => "it can't be read".to_owned(),
        },
    }
}

/// Why an evaluation failed.
pub(crate) fn of_evaluation(error: &ExecutionError) -> String {
    let name = |name: &str| neutral::line(name, MAX_NAME);
    match error {
        ExecutionError::NoSuchKey(key) => format!("there is no property `{}`", name(key)),
        ExecutionError::IndexOutOfBounds(cel::Value::Int(index)) => {
            format!("a list has no item {index}, counted from 0")
        }
        ExecutionError::IndexOutOfBounds(_) => "a list has no such item".to_owned(),
        ExecutionError::DivisionByZero(_) | ExecutionError::RemainderByZero(_) => "it divides by zero".to_owned(),
        ExecutionError::Overflow(operator, ..) => format!("a number gets too large for `{}`", sign(operator)),
        ExecutionError::NoSuchOverload(error) => {
            let types: Vec<&str> = error.argument_types().iter().map(|known| of_type(known)).collect();
            unusable(&name(sign(error.function())), &types)
        }
        ExecutionError::UnsupportedBinaryOperator(operator, left, right) => {
            unusable(sign(operator), &[left, right].map(value_type))
        }
        ExecutionError::ValuesNotComparable(left, right) => {
            format!("{} can't be compared with {}", value_type(left), value_type(right))
        }
        ExecutionError::NotSupportedAsMethod { method, target } => unusable(&name(method), &[value_type(target)]),
        ExecutionError::UnexpectedType { got, want } => {
            format!("{} stands where {} is wanted", of_type(got), of_type(want))
        }
        ExecutionError::UndeclaredReference(what) => format!("there is no function `{}`", name(what)),
        ExecutionError::InvalidArgumentCount { expected, actual } => {
            format!("a function takes {expected} values, and gets {actual}")
        }
        ExecutionError::MissingArgumentOrTarget => "a function lacks a value to work on".to_owned(),
        ExecutionError::FunctionError { function, .. } => format!("`{}` fails over this data", name(function)),
        _ => "it can't be evaluated over this data".to_owned(),
    }
}

fn unusable(what: &str, types: &[&str]) -> String {
    format!("`{what}` can't be used with {}", types.join(" and "))
}

fn value_type(value: &cel::Value) -> &'static str {
    of_type(&value.type_of().to_string())
}

/// A type by the name that CEL gives it.
pub(crate) fn of_type(known: &str) -> &'static str {
    match known {
        "int" | "uint" | "double" | "float" => "a number",
        "string" => "a text",
        "bool" => "a truth value",
        "list" => "a list",
        "map" => "a mapping",
        "null" | "null_type" => "null",
        _ => "a value of another kind",
    }
}

/// An operator as it is written, from its name in CEL: `_+_`, or a word for it.
fn sign(operator: &str) -> &str {
    match operator {
        "add" => "+",
        "sub" => "-",
        "mul" => "*",
        "div" => "/",
        "rem" => "%",
        "@in" => "in",
        "_[_]" => "[ ]",
        other => other.trim_matches('_'),
    }
}
