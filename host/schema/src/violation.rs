//! What is wrong with a value, in words that never quote the value itself: it may be personal.

use jsonschema::error::{TypeKind, ValidationError, ValidationErrorKind};
use palisade_model::neutral;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Most characters of a pointer or message.
const MAX_CHARS: usize = 400;
/// Most values of an `enum` that a message lists.
const MAX_LISTED: usize = 24;

/// A rule of a schema that a value breaks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Violation {
    /// JSON pointer to the value, neutralised and bounded.
    pub path: String,
    /// The keyword of the schema, `json` for a line that is no JSON.
    pub rule: String,
    /// What is wanted there, neutralised and bounded; never quotes the value.
    pub message: String,
}

/// A rule of a config schema that a config breaks. A config is written by the runbook's author, so its keys may be
/// named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigViolation {
    /// What is wrong, and where.
    pub violation: Violation,
    /// JSON pointer to the value, exact, to find its place in the runbook.
    pub pointer: String,
    /// Keys that the schema does not know.
    pub unknown_keys: Vec<String>,
    /// The key that is required and absent.
    pub missing_key: Option<String>,
    /// Keys that it does know in that place, where they were looked up.
    pub known_keys: Vec<String>,
    /// Texts that would be allowed, where the schema lists them.
    pub allowed: Vec<String>,
}

impl Violation {
    /// A line that is no JSON object of its own.
    pub(crate) fn not_json(error: serde_json::Error) -> Self {
        // The reader's own words may quote a key.
        let what =
            if error.is_data() { "has a key twice in one object, or a number out of range" } else { "is no JSON" };
        let message = format!("{what}, at column {}", error.column());
        Self { path: String::new(), rule: "json".to_owned(), message }
    }

    pub(crate) fn of(error: &ValidationError<'_>) -> Self {
        Self {
            path: neutral::line(error.instance_path().as_str(), MAX_CHARS),
            rule: error.kind().keyword().to_owned(),
            message: neutral::line(&wanted(error.kind()), MAX_CHARS),
        }
    }
}

impl ConfigViolation {
    pub(crate) fn of(error: &ValidationError<'_>) -> Self {
        let unknown_keys = match error.kind() {
            ValidationErrorKind::AdditionalProperties { unexpected }
            | ValidationErrorKind::UnevaluatedProperties { unexpected } => unexpected.clone(),
            _ => Vec::new(),
        };
        let allowed = match error.kind() {
            ValidationErrorKind::Enum { options } => options.as_array().cloned().unwrap_or_default(),
            ValidationErrorKind::Constant { expected_value } => vec![expected_value.as_ref().clone()],
            _ => Vec::new(),
        };
        let missing_key = match error.kind() {
            ValidationErrorKind::Required { property } => property.as_str().map(str::to_owned),
            _ => None,
        };
        Self {
            missing_key,
            violation: Violation::of(error),
            pointer: error.instance_path().as_str().to_owned(),
            unknown_keys,
            known_keys: Vec::new(),
            allowed: allowed.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        }
    }
}

/// What the rule wants, from the schema's side alone.
fn wanted(kind: &ValidationErrorKind) -> String {
    use ValidationErrorKind as Kind;
    match kind {
        Kind::AdditionalProperties { .. } | Kind::UnevaluatedProperties { .. } => {
            "has a property that the schema does not know".to_owned()
        }
        Kind::AdditionalItems { limit } => format!("has more than {limit} elements"),
        Kind::UnevaluatedItems { .. } => "has an element that the schema does not know".to_owned(),
        Kind::AnyOf { .. } | Kind::OneOfNotValid { .. } => "fits none of the allowed forms".to_owned(),
        Kind::OneOfMultipleValid { .. } => "fits more than one of forms that exclude each other".to_owned(),
        Kind::Constant { expected_value } => format!("must be {}", plain(expected_value)),
        Kind::Enum { options } => format!("must be one of {}", listed(options)),
        Kind::Contains => "lacks an element that is wanted".to_owned(),
        Kind::ExclusiveMaximum { limit } => format!("must be less than {limit}"),
        Kind::ExclusiveMinimum { limit } => format!("must be more than {limit}"),
        Kind::Maximum { limit } => format!("must be at most {limit}"),
        Kind::Minimum { limit } => format!("must be at least {limit}"),
        Kind::MaxItems { limit } => format!("must have at most {limit} elements"),
        Kind::MinItems { limit } => format!("must have at least {limit} elements"),
        Kind::MaxLength { limit } => format!("must have at most {limit} characters"),
        Kind::MinLength { limit } => format!("must have at least {limit} characters"),
        Kind::MaxProperties { limit } => format!("must have at most {limit} properties"),
        Kind::MinProperties { limit } => format!("must have at least {limit} properties"),
        Kind::FalseSchema => "must not be there: the schema forbids it, or the host fills it in".to_owned(),
        Kind::Format { format } => format!("must have the format `{format}`"),
        Kind::MultipleOf { multiple_of } => format!("must be a multiple of {multiple_of}"),
        Kind::Not { .. } => "has a form that is excluded".to_owned(),
        Kind::Pattern { pattern } => format!("must match the pattern `{pattern}`"),
        Kind::PropertyNames { .. } => "has a property whose name is not allowed".to_owned(),
        Kind::Required { property } => format!("lacks the property {}", plain(property)),
        Kind::Type { kind } => format!("must be {}", types(kind)),
        Kind::UniqueItems => "has an element twice".to_owned(),
        Kind::BacktrackLimitExceeded { .. } | Kind::RegexEngineFailure { .. } => {
            "could not be matched against the pattern".to_owned()
        }
        Kind::ContentEncoding { .. }
        | Kind::ContentMediaType { .. }
        | Kind::Custom { .. }
        | Kind::FromUtf8 { .. }
        | Kind::Referencing(_) => format!("breaks the rule `{}`", kind.keyword()),
    }
}

fn types(kind: &TypeKind) -> String {
    let name = |name: &str| match name {
        "null" => "null".to_owned(),
        "object" | "array" | "integer" => format!("an {name}"),
        "string" => "a text".to_owned(),
        _ => format!("a {name}"),
    };
    match kind {
        TypeKind::Single(single) => name(single.as_str()),
        TypeKind::Multiple(several) => several.iter().map(|one| name(one.as_str())).collect::<Vec<_>>().join(" or "),
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), |text| format!("`{text}`"))
}

fn listed(options: &Value) -> String {
    let Some(options) = options.as_array() else { return plain(options) };
    let mut shown: Vec<_> = options.iter().take(MAX_LISTED).map(plain).collect();
    if options.len() > MAX_LISTED {
        shown.push(format!("… ({} in all)", options.len()));
    }
    shown.join(", ")
}
