//! The rules of one subschema, references replaced by what they name.

use crate::check::target;
use serde_json::{Map, Value};

/// Most properties that an object is checked for: one bit each.
const MAX_PROPERTIES: usize = u64::BITS as usize;

/// Keywords that no value breaks.
const ANNOTATIONS: &[&str] = &[
    "$comment",
    "$defs",
    "$schema",
    "default",
    "deprecated",
    "description",
    "examples",
    "format",
    "readOnly",
    "title",
    "writeOnly",
];

/// Kinds of JSON values, one bit each; an integer is a number without point and exponent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Kinds(u8);

impl Kinds {
    pub(super) const NULL: Self = Self(1);
    pub(super) const BOOLEAN: Self = Self(2);
    pub(super) const INTEGER: Self = Self(4);
    pub(super) const FRACTION: Self = Self(8);
    pub(super) const TEXT: Self = Self(16);
    pub(super) const LIST: Self = Self(32);
    pub(super) const OBJECT: Self = Self(64);
    const ALL: Self = Self(127);
    const NONE: Self = Self(0);

    fn of_name(name: &str) -> Option<Self> {
        Some(match name {
            "null" => Self::NULL,
            "boolean" => Self::BOOLEAN,
            "integer" => Self::INTEGER,
            "number" => Self(Self::INTEGER.0 | Self::FRACTION.0),
            "string" => Self::TEXT,
            "array" => Self::LIST,
            "object" => Self::OBJECT,
            _ => return None,
        })
    }

    fn of(value: &Value) -> Option<Self> {
        match value {
            Value::String(name) => Self::of_name(name),
            Value::Array(names) => {
                names.iter().try_fold(Self::NONE, |kinds, name| Some(Self(kinds.0 | Self::of_name(name.as_str()?)?.0)))
            }
            _ => None,
        }
    }

    pub(super) const fn hold(self, kind: Self) -> bool {
        self.0 & kind.0 != 0
    }
}

/// What a value must be.
#[derive(Debug)]
pub(super) struct Rule {
    pub(super) kinds: Kinds,
    /// The value is one of these texts.
    pub(super) texts: Option<Vec<String>>,
    /// Least and most of a number.
    pub(super) bounds: Option<(i64, i64)>,
    /// Of the elements of a list.
    pub(super) elements: Option<Box<Rule>>,
    /// Of the properties of an object.
    pub(super) object: Option<ObjectRule>,
}

/// What the properties of an object must be.
#[derive(Debug)]
pub(super) struct ObjectRule {
    properties: Vec<(String, Rule)>,
    /// The bits of the properties that must be there.
    required: u64,
    /// Of all other properties.
    others: Option<Box<Rule>>,
}

/// The rule that everything fits.
pub(super) static ANYTHING: Rule = Rule { kinds: Kinds::ALL, texts: None, bounds: None, elements: None, object: None };

impl Rule {
    /// The rule of a subschema of `document`; none if there is a keyword that is not known here.
    pub(super) fn of(schema: &Value, document: &Value) -> Option<Self> {
        let mut rule = Self { kinds: Kinds::ALL, texts: None, bounds: None, elements: None, object: None };
        let keywords = match schema {
            Value::Bool(true) => return Some(rule),
            Value::Bool(false) => return Some(Self { kinds: Kinds::NONE, ..rule }),
            Value::Object(keywords) => keywords,
            _ => return None,
        };
        if let Some(reference) = keywords.get("$ref") {
            // Rules beside a reference would have to be joined with what it names.
            let alone = keywords.keys().all(|keyword| keyword == "$ref" || is_annotation(keyword));
            let named = target(reference.as_str()?).filter(|_| alone)?;
            return Self::of(document.pointer(&named)?, document);
        }
        let (mut least, mut most) = (i64::MIN, i64::MAX);
        for (keyword, value) in keywords {
            match keyword.as_str() {
                "type" => rule.kinds = Kinds::of(value)?,
                "enum" => rule.texts = Some(value.as_array()?.iter().map(text).collect::<Option<_>>()?),
                "minimum" => least = value.as_i64()?,
                "maximum" => most = value.as_i64()?,
                "items" => rule.elements = Some(Box::new(Self::of(value, document)?)),
                "properties" | "required" | "additionalProperties" => {}
                other if is_annotation(other) => {}
                _ => return None,
            }
        }
        if keywords.contains_key("minimum") || keywords.contains_key("maximum") {
            rule.bounds = Some((least, most));
        }
        rule.object = Some(ObjectRule::of(keywords, document)?);
        Some(rule)
    }
}

impl ObjectRule {
    fn of(keywords: &Map<String, Value>, document: &Value) -> Option<Self> {
        let others = keywords.get("additionalProperties").map(|schema| Rule::of(schema, document));
        let others = others.map_or(Some(None), |rule| Some(Some(Box::new(rule?))))?;
        let mut properties = Vec::new();
        for (name, schema) in keywords.get("properties").and_then(Value::as_object).into_iter().flatten() {
            properties.push((name.clone(), Rule::of(schema, document)?));
        }
        let mut required = 0;
        for name in keywords.get("required").and_then(Value::as_array).into_iter().flatten() {
            // A property that must be there and is not declared would need the rule of all others.
            let at = properties.iter().position(|(known, _)| Some(known.as_str()) == name.as_str())?;
            required |= 1_u64.checked_shl(u32::try_from(at).ok()?)?;
        }
        (properties.len() <= MAX_PROPERTIES).then_some(Self { properties, required, others })
    }

    /// The bit and the rule of a property; a property that is not declared has no bit.
    pub(super) fn property(&self, name: &str) -> (Option<u64>, &Rule) {
        match self.properties.iter().position(|(known, _)| known == name) {
            Some(at) => (Some(1 << at), self.properties.get(at).map_or(&ANYTHING, |(_, rule)| rule)),
            None => (None, self.others.as_deref().unwrap_or(&ANYTHING)),
        }
    }

    /// Says whether those bits hold all properties that must be there.
    pub(super) const fn is_complete(&self, seen: u64) -> bool {
        self.required & !seen == 0
    }
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

fn is_annotation(keyword: &str) -> bool {
    ANNOTATIONS.contains(&keyword) || keyword.starts_with("x-")
}
