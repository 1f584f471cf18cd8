//! Answers in the form of a schema: asked for, checked, and sent back with what does not fit.

use crate::request::{Answer, Finish, Message, Request, Role};
use palisade_model::strict_json;
use palisade_schema::Validator;
use serde_json::Value;

/// Most violations that a model is told of at once.
const MAX_VIOLATIONS: usize = 10;

/// Asks for a schema in words, for models whose provider has nothing for that.
pub(crate) fn in_words(request: &Request, schema: &Value) -> Request {
    let content = format!(
        "Answer with one JSON document and nothing else: no text around it, no code fence. It must fit this JSON Schema:\n{schema}"
    );
    let mut messages = request.messages.clone();
    // Behind the other instructions, and before the conversation.
    let at = messages.iter().take_while(|message| message.role == Role::System).count();
    messages.insert(at, Message { role: Role::System, content });
    Request { messages, schema: None, ..request.clone() }
}

/// The JSON of an answer.
///
/// # Errors
/// What does not fit, in lines that quote nothing of it.
pub(crate) fn check(validator: &Validator, answer: &Answer) -> Result<String, Vec<String>> {
    let text = without_fence(&answer.content);
    let value = strict_json::from_str(text).map_err(|error| {
        vec![format!(
            "it is no JSON, or has a key twice in one object, at line {} column {}",
            error.line(),
            error.column()
        )]
    })?;
    let violations = validator.violations(&value, MAX_VIOLATIONS);
    if violations.is_empty() {
        return Ok(text.to_owned());
    }
    let told = |path: &str| if path.is_empty() { "the document".to_owned() } else { format!("`{path}`") };
    Err(violations.iter().map(|one| format!("{} {}", told(&one.violation.path), one.violation.message)).collect())
}

/// What is no answer, whatever it says.
pub(crate) fn unfinished(answer: &Answer) -> Option<&'static str> {
    match answer.finish {
        Finish::Complete => None,
        Finish::CutOff => Some("it was cut off at the most tokens that it may have"),
        Finish::Refused => Some("it was refused"),
    }
}

/// The request after an answer that does not fit.
pub(crate) fn correction(request: &Request, answer: &Answer, violations: &[String]) -> Request {
    let mut messages = request.messages.clone();
    messages.push(Message { role: Role::Assistant, content: answer.content.clone() });
    let content = format!(
        "That does not fit the schema:\n- {}\nAnswer again with the whole document, corrected.",
        violations.join("\n- ")
    );
    messages.push(Message { role: Role::User, content });
    Request { messages, ..request.clone() }
}

/// Models like to put a fence around what they were asked to give bare.
fn without_fence(text: &str) -> &str {
    let text = text.trim();
    let fenced =
        || text.strip_prefix("```")?.strip_suffix("```")?.split_once('\n').map(|(_language, text)| text.trim());
    fenced().unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn answer(content: &str) -> Answer {
        Answer { content: content.to_owned(), finish: Finish::Complete, input_tokens: None, output_tokens: None }
    }

    #[test]
    fn what_fits_is_taken_and_what_does_not_is_told_without_a_word_of_it() {
        let schema = json!({"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"], "additionalProperties": false});
        let validator = Validator::of_foreign(&schema).unwrap();
        let check = |content: &str, expected: Result<&str, &str>| {
            let told = check(&validator, &answer(content)).map_err(|lines| lines.join("; "));
            assert_eq!(told.as_deref().map_err(String::as_str), expected, "{content}");
        };
        check("{\"n\": 1}", Ok("{\"n\": 1}"));
        check("```json\n{\"n\": 1}\n```", Ok("{\"n\": 1}"));
        check("  ```\n{\"n\": 1}```\n", Ok("{\"n\": 1}"));
        check("Sure! {\"n\": 1}", Err("it is no JSON, or has a key twice in one object, at line 1 column 1"));
        check("{\"n\": 1, \"n\": 2}", Err("it is no JSON, or has a key twice in one object, at line 1 column 16"));
        check("{\"n\": \"secret\"}", Err("`/n` must be an integer"));
        check("{\"n\": 1, \"secret\": 1}", Err("the document has a property that the schema does not know"));
    }

    #[test]
    fn a_correction_says_what_was_answered_and_what_is_wrong() {
        let question = Message { role: Role::User, content: "q".to_owned() };
        let request = Request { model: None, messages: vec![question], schema: None, max_output_tokens: 1 };
        let words = in_words(&request, &json!({"type": "object"}));
        assert_eq!(words.messages[0].role, Role::System);
        assert!(words.messages[0].content.ends_with("{\"type\":\"object\"}"));
        let again = correction(&request, &answer("x"), &["`/a` is wrong".to_owned(), "`/b` too".to_owned()]);
        let told: Vec<_> = again.messages.iter().map(|message| (message.role, message.content.as_str())).collect();
        let wrong = "That does not fit the schema:\n- `/a` is wrong\n- `/b` too\nAnswer again with the whole document, corrected.";
        assert_eq!(told, [(Role::User, "q"), (Role::Assistant, "x"), (Role::User, wrong)]);
    }
}
