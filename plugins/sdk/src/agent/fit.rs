//! Whether an answer that no model gave fits the schema of answers. What a model says, the host checks.

use serde_json::Value;

/// What is wrong with a value, and where; none = it fits. A schema that says more than can be checked here fits nothing.
pub(super) fn misfit(schema: &Value, value: &Value) -> Option<String> {
    check(schema, value, "").err()
}

fn check(schema: &Value, value: &Value, at: &str) -> Result<(), String> {
    let Value::Object(keywords) = schema else {
        return if *schema == Value::Bool(true) { Ok(()) } else { Err(wrong(at, "false")) };
    };
    for (keyword, said) in keywords {
        let holds = match keyword.as_str() {
            "description" | "title" | "examples" | "default" | "$schema" => true,
            "type" => match said {
                Value::Array(types) => types.iter().any(|wanted| is(wanted, value)),
                wanted => is(wanted, value),
            },
            "const" => said == value,
            "enum" => list(said).contains(value),
            "anyOf" => list(said).iter().any(|one| check(one, value, at).is_ok()),
            "required" => {
                let has = |name: &Value| name.as_str().is_some_and(|name| value.get(name).is_some());
                !value.is_object() || list(said).iter().all(has)
            }
            "properties" => {
                for (name, inner) in value.as_object().into_iter().flatten() {
                    said.get(name).map_or(Ok(()), |schema| check(schema, inner, &format!("{at}/{name}")))?;
                }
                true
            }
            "additionalProperties" => {
                let known = keywords.get("properties");
                let others = value.as_object().into_iter().flatten();
                for (name, inner) in others.filter(|(name, _)| known.is_none_or(|known| known.get(name).is_none())) {
                    check(said, inner, &format!("{at}/{name}"))?;
                }
                true
            }
            "items" => {
                for (index, inner) in value.as_array().into_iter().flatten().enumerate() {
                    check(said, inner, &format!("{at}/{index}"))?;
                }
                true
            }
            "minItems" => {
                value.as_array().is_none_or(|items| said.as_u64().is_some_and(|least| items.len() as u64 >= least))
            }
            "maxItems" => {
                value.as_array().is_none_or(|items| said.as_u64().is_some_and(|most| items.len() as u64 <= most))
            }
            "minimum" => value.as_f64().is_none_or(|value| said.as_f64().is_some_and(|least| value >= least)),
            "maximum" => value.as_f64().is_none_or(|value| said.as_f64().is_some_and(|most| value <= most)),
            "minLength" => length(value).is_none_or(|length| said.as_u64().is_some_and(|least| length >= least)),
            "maxLength" => length(value).is_none_or(|length| said.as_u64().is_some_and(|most| length <= most)),
            _ => return Err(format!("the schema of answers says `{keyword}`, which can't be checked")),
        };
        if !holds {
            return Err(wrong(at, keyword));
        }
    }
    Ok(())
}

fn wrong(at: &str, rule: &str) -> String {
    let place = if at.is_empty() { "its root" } else { at };
    format!("at `{place}` it breaks the rule `{rule}`")
}

fn list(said: &Value) -> &[Value] {
    said.as_array().map_or(&[], Vec::as_slice)
}

fn length(value: &Value) -> Option<u64> {
    value.as_str().map(|text| text.chars().count() as u64)
}

fn is(wanted: &Value, value: &Value) -> bool {
    match wanted.as_str() {
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") => value.is_string(),
        Some("boolean") => value.is_boolean(),
        Some("null") => value.is_null(),
        Some("number") => value.is_number(),
        Some("integer") => value.is_i64() || value.is_u64(),
        _ => false,
    }
}

#[cfg(all(test, not(target_family = "wasm")))]
mod tests {
    use super::misfit;
    use serde_json::{Value, json};

    #[test]
    fn what_does_not_fit_is_told_with_its_place() {
        let text = json!({"type": "string", "minLength": 1, "maxLength": 3});
        let schema = json!({
            "type": "object", "additionalProperties": false, "required": ["is"], "description": "An answer",
            "properties": {
                "is": {"enum": ["yes", "no"]},
                "why": {"anyOf": [text, {"type": "null"}]},
                "all": {"type": "array", "minItems": 1, "maxItems": 2, "items": {"type": "integer", "minimum": 0, "maximum": 9}},
            },
        });
        for fits in
            [json!({"is": "yes"}), json!({"is": "no", "why": null, "all": [0, 9]}), json!({"is": "no", "why": "äöü"})]
        {
            assert_eq!(misfit(&schema, &fits), None, "{fits}");
        }
        for (value, place, rule) in [
            (json!([]), "its root", "type"),
            (json!({}), "its root", "required"),
            (json!({"is": "maybe"}), "/is", "enum"),
            (json!({"is": "yes", "more": 1}), "/more", "false"),
            (json!({"is": "yes", "why": "long"}), "/why", "anyOf"),
            (json!({"is": "yes", "why": ""}), "/why", "anyOf"),
            (json!({"is": "yes", "all": []}), "/all", "minItems"),
            (json!({"is": "yes", "all": [1, 2, 3]}), "/all", "maxItems"),
            (json!({"is": "yes", "all": [1, 10]}), "/all/1", "maximum"),
            (json!({"is": "yes", "all": [-1]}), "/all/0", "minimum"),
            (json!({"is": "yes", "all": [1.5]}), "/all/0", "type"),
        ] {
            assert_eq!(misfit(&schema, &value), Some(format!("at `{place}` it breaks the rule `{rule}`")), "{value}");
        }
    }

    #[test]
    fn what_can_not_be_checked_fits_nothing() {
        for schema in [json!({"pattern": "^a$"}), json!({"type": "text"}), json!({"minimum": "1"}), Value::Null] {
            assert!(misfit(&schema, &json!(7)).is_some(), "{schema}");
        }
        assert_eq!(misfit(&json!({}), &json!(7)), None);
    }
}
