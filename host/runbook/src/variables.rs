//! `${VAR}` in text values, replaced from the variables that the operator lists and from nothing else.

use crate::codes::Code;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::nearest::suggestion;
use crate::source::Source;
use crate::yaml::{Data, Node};
use std::collections::BTreeMap;

/// Replaces every `${VAR}` in the text values of a tree; keys stay. What is put in is not looked at again. A name is
/// anything up to the next `}`.
pub(crate) fn replace(
    node: &mut Node,
    variables: &BTreeMap<String, String>,
    source: &Source,
    diagnostics: &mut Diagnostics,
) {
    match &mut node.data {
        Data::Text(text) if text.contains("${") => {
            let (span, written) = (node.span, text.clone());
            let mut undefined = |name: &str| {
                let variable = format!("${{{name}}}");
                let span = written.find(&variable).map_or(span, |at| span.part(&written, at..at + variable.len()));
                let known = variables.keys().map(String::as_str);
                let help = suggestion(name, known)
                    .unwrap_or_else(|| "list it in `[environment] variables` of palisade.toml, and set it".to_owned());
                diagnostics.push(
                    Diagnostic::new(
                        Code::UndefinedVariable,
                        source.name(),
                        span,
                        format!("variable `{name}` is not defined"),
                    )
                    .with_help(help),
                );
            };
            *text = replaced(text, variables, &mut undefined);
        }
        Data::List(list) => list.iter_mut().for_each(|node| replace(node, variables, source, diagnostics)),
        Data::Map(entries) => {
            entries.iter_mut().for_each(|entry| replace(&mut entry.value, variables, source, diagnostics));
        }
        _ => {}
    }
}

fn replaced(text: &str, variables: &BTreeMap<String, String>, undefined: &mut impl FnMut(&str)) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let Some((name, behind)) = after.split_once('}') else { break };
        out.push_str(before);
        match variables.get(name) {
            Some(value) => out.push_str(value),
            None if name.is_empty() => out.push_str("${}"),
            None => {
                undefined(name);
                // Left as it was written, so that nothing else seems wrong with it.
                out.push_str("${");
                out.push_str(name);
                out.push('}');
            }
        }
        rest = behind;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_run_to_the_brace_and_values_are_final() {
        let variables = BTreeMap::from([("A".to_owned(), "${B}".to_owned()), ("x y".to_owned(), "1".to_owned())]);
        let mut missing = Vec::new();
        let mut of = |text: &str| replaced(text, &variables, &mut |name: &str| missing.push(name.to_owned()));
        assert_eq!(of("a ${A}${x y}$ {A} ${ unclosed"), "a ${B}1$ {A} ${ unclosed");
        assert_eq!(of("${}${A}"), "${}${B}");
        assert_eq!(of("x${nope}y"), "x${nope}y");
        assert_eq!(missing, ["nope"]);
    }
}
