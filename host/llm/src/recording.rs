//! Recorded answers: found by all that they depend on, and how the nearest one differs where there is none.

use crate::request::{Asked, Message};
use palisade_store::{Fault, Store};
use serde_json::Value;

/// Most records that are looked at to say how the nearest one differs.
const MAX_LOOKED_AT: usize = 200;

/// Says how the nearest recorded request differs: which field, which message, from which character. None of their words.
pub(crate) fn nearest(store: &Store, asked: &Asked) -> Result<String, Fault> {
    let records = store.recorded_requests(MAX_LOOKED_AT)?;
    let recorded = records.iter().filter_map(|bytes| serde_json::from_slice::<Asked>(bytes).ok());
    let all = recorded.map(|recorded| differences(asked, &recorded));
    Ok(match all.min_by_key(Vec::len) {
        None => "nothing is recorded".to_owned(),
        Some(differences) => format!("the nearest recorded request differs in {}", differences.join(", ")),
    })
}

fn differences(asked: &Asked, recorded: &Asked) -> Vec<String> {
    let mut told = Vec::new();
    let mut field = |name: &str, same: bool| {
        if !same {
            told.push(format!("`{name}`"));
        }
    };
    field("model", asked.model == recorded.model);
    field("provider", asked.provider == recorded.provider);
    field("provider_model", asked.provider_model == recorded.provider_model);
    field("base_url", asked.base_url == recorded.base_url);
    field("structured", asked.structured == recorded.structured);
    field("max_output_tokens", asked.max_output_tokens == recorded.max_output_tokens);
    field("v", asked.v == recorded.v);
    if asked.schema != recorded.schema {
        told.push(match (&asked.schema, &recorded.schema) {
            (Some(here), Some(there)) => format!("`schema` at `#{}`", first_difference(here, there)),
            _ => "`schema`".to_owned(),
        });
    }
    for (number, (here, there)) in asked.messages.iter().zip(&recorded.messages).enumerate() {
        told.extend(message(number + 1, here, there));
    }
    let (here, there) = (asked.messages.len(), recorded.messages.len());
    if here != there {
        told.push(format!("the number of messages ({here}, recorded {there})"));
    }
    told
}

fn message(number: usize, here: &Message, there: &Message) -> Option<String> {
    if here.role != there.role {
        return Some(format!("the role of message {number}"));
    }
    if here.content == there.content {
        return None;
    }
    let same = here.content.chars().zip(there.content.chars()).take_while(|(here, there)| here == there).count();
    Some(format!("message {number} ({}) from character {}", here.role.word(), same + 1))
}

/// The JSON pointer to the first place at which two values differ; a key that only one of them has is that place. The keys
/// are those of a schema.
fn first_difference(here: &Value, there: &Value) -> String {
    let within = |key: &str, here: &Value, there: &Value| {
        let key = palisade_schema::escape(&palisade_model::neutral::line(key, 60));
        format!("/{key}{}", first_difference(here, there))
    };
    match (here, there) {
        (Value::Object(a), Value::Object(b)) => {
            let keys: std::collections::BTreeSet<_> = a.keys().chain(b.keys()).collect();
            let null = Value::Null;
            let differs = keys.into_iter().find(|key| a.get(*key) != b.get(*key));
            differs
                .map_or_else(String::new, |key| within(key, a.get(key).unwrap_or(&null), b.get(key).unwrap_or(&null)))
        }
        (Value::Array(a), Value::Array(b)) => {
            let differs = a.iter().zip(b).position(|(a, b)| a != b);
            differs.map_or_else(String::new, |at| within(&at.to_string(), &a[at], &b[at]))
        }
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::Role;
    use serde_json::json;

    fn asked() -> Asked {
        let message = |role, content: &str| Message { role, content: content.to_owned() };
        Asked {
            v: 1,
            model: "m".to_owned(),
            provider: "openai".to_owned(),
            provider_model: "x".to_owned(),
            base_url: "https://x".to_owned(),
            structured: None,
            schema: Some(json!({"type": "object", "properties": {"a": {"type": "string"}}})),
            max_output_tokens: 5,
            messages: vec![message(Role::System, "secret words"), message(Role::User, "secret question")],
        }
    }

    #[test]
    fn the_digest_is_of_everything_and_of_no_order() {
        let digest = |change: &dyn Fn(&mut Asked)| {
            let mut asked = asked();
            change(&mut asked);
            asked.canonical().1
        };
        let same = digest(&|_| {});
        let changes: [&dyn Fn(&mut Asked); 9] = [
            &|asked| asked.v = 2,
            &|asked| asked.model.push('x'),
            &|asked| asked.provider.push('x'),
            &|asked| asked.provider_model.push('x'),
            &|asked| asked.base_url.push('x'),
            &|asked| asked.structured = Some("native".to_owned()),
            &|asked| asked.schema = None,
            &|asked| asked.max_output_tokens += 1,
            &|asked| asked.messages[1].content.push('x'),
        ];
        assert!(changes.iter().all(|change| digest(*change) != same));
        let reordered = r#"{"properties": {"a": {"type": "string"}}, "type": "object"}"#;
        assert_eq!(digest(&|asked| asked.schema = serde_json::from_str(reordered).ok()), same);
        // What is recorded is read again as what it was.
        assert_eq!(serde_json::from_slice::<Asked>(&asked().canonical().0).unwrap(), asked());
    }

    #[test]
    fn a_difference_is_told_by_its_place_and_by_no_word() {
        let check = |change: &dyn Fn(&mut Asked), expected: &str| {
            let mut recorded = asked();
            change(&mut recorded);
            assert_eq!(differences(&asked(), &recorded).join(", "), expected);
        };
        check(&|_| {}, "");
        check(
            &|recorded| recorded.messages[1].content = "secret answer".to_owned(),
            "message 2 (user) from character 8",
        );
        check(&|recorded| recorded.messages[0].role = Role::User, "the role of message 1");
        check(
            &|recorded| {
                recorded.messages.pop();
            },
            "the number of messages (2, recorded 1)",
        );
        check(
            &|recorded| recorded.schema = Some(json!({"type": "object", "properties": {"a": {"type": "number"}}})),
            "`schema` at `#/properties/a/type`",
        );
        check(&|recorded| recorded.model = "n".to_owned(), "`model`");
    }
}
