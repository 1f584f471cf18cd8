//! Owns a small builder for the JSON Schema (2020-12) of a config. Never validates a config; the host does.

use serde_json::{Map, Value, json};

/// The schema of a config: an object without other properties than those listed.
#[derive(Debug, Clone, PartialEq)]
pub struct ConfigSchema {
    properties: Map<String, Value>,
    required: Vec<String>,
    keywords: Map<String, Value>,
}

impl Default for ConfigSchema {
    fn default() -> Self {
        Self::new()
    }
}

impl ConfigSchema {
    /// Makes the schema of an empty config.
    pub fn new() -> Self {
        Self { properties: Map::new(), required: Vec::new(), keywords: Map::new() }
    }

    /// Adds a property that may be absent.
    #[must_use]
    pub fn property(mut self, name: impl Into<String>, property: Property) -> Self {
        self.properties.insert(name.into(), Value::Object(property.keywords));
        self
    }

    /// Adds a property that must be there.
    #[must_use]
    pub fn required(mut self, name: impl Into<String>, property: Property) -> Self {
        let name = name.into();
        self.required.push(name.clone());
        self.property(name, property)
    }

    /// Sets any other keyword of JSON Schema for the whole object.
    #[must_use]
    pub fn with(mut self, keyword: impl Into<String>, value: impl Into<Value>) -> Self {
        self.keywords.insert(keyword.into(), value.into());
        self
    }

    /// Returns the schema as JSON text.
    pub fn to_json(&self) -> String {
        let mut schema = self.clone().into_keywords();
        schema.insert("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
        Value::Object(schema).to_string()
    }

    fn into_keywords(self) -> Map<String, Value> {
        let Self { properties, required, keywords: mut schema } = self;
        schema.insert("type".to_owned(), json!("object"));
        schema.insert("additionalProperties".to_owned(), json!(false));
        schema.insert("properties".to_owned(), Value::Object(properties));
        if !required.is_empty() {
            schema.insert("required".to_owned(), json!(required));
        }
        schema
    }
}

/// The schema of one value.
#[derive(Debug, Clone, PartialEq)]
pub struct Property {
    keywords: Map<String, Value>,
}

impl Property {
    /// A value of any type.
    pub fn any() -> Self {
        Self { keywords: Map::new() }
    }

    /// A text.
    pub fn string() -> Self {
        Self::any().with("type", "string")
    }

    /// A whole number.
    pub fn integer() -> Self {
        Self::any().with("type", "integer")
    }

    /// A number.
    pub fn number() -> Self {
        Self::any().with("type", "number")
    }

    /// True or false.
    pub fn boolean() -> Self {
        Self::any().with("type", "boolean")
    }

    /// A list of such values.
    pub fn list_of(item: Property) -> Self {
        Self::any().with("type", "array").with("items", item.keywords)
    }

    /// One of these texts.
    pub fn one_of<const N: usize>(values: [&str; N]) -> Self {
        Self::any().with("enum", values.map(Value::from).to_vec())
    }

    /// An object with properties of its own.
    pub fn object(schema: ConfigSchema) -> Self {
        Self { keywords: schema.into_keywords() }
    }

    /// Also takes `null`.
    #[must_use]
    pub fn nullable(self) -> Self {
        let Self { mut keywords } = self;
        match keywords.remove("type") {
            Some(Value::String(one)) => {
                keywords.insert("type".to_owned(), json!([one, "null"]));
            }
            Some(other) => {
                keywords.insert("type".to_owned(), other);
            }
            None => {}
        }
        if let Some(Value::Array(values)) = keywords.get_mut("enum") {
            values.push(Value::Null);
        }
        Self { keywords }
    }

    /// The value if it is absent. The host fills it in.
    #[must_use]
    pub fn default(self, value: impl Into<Value>) -> Self {
        self.with("default", value)
    }

    /// What it means, for people and for planners.
    #[must_use]
    pub fn about(self, text: impl Into<String>) -> Self {
        self.with("description", text.into())
    }

    /// The least number allowed.
    #[must_use]
    pub fn min(self, value: impl Into<Value>) -> Self {
        self.with("minimum", value)
    }

    /// The greatest number allowed.
    #[must_use]
    pub fn max(self, value: impl Into<Value>) -> Self {
        self.with("maximum", value)
    }

    /// The number that it must be above.
    #[must_use]
    pub fn above(self, value: impl Into<Value>) -> Self {
        self.with("exclusiveMinimum", value)
    }

    /// Marks a path that the component reads. The plan authorises exactly this value.
    #[must_use]
    pub fn path_read(self) -> Self {
        self.with("x-palisade-path", "read")
    }

    /// Marks a folder that the component writes to. The plan authorises exactly this value.
    #[must_use]
    pub fn folder_written(self) -> Self {
        self.with("x-palisade-write", "folder")
    }

    /// Marks a database connection of a kind, as `sqlite`. The plan authorises exactly this value.
    #[must_use]
    pub fn connection(self, kind: impl Into<String>) -> Self {
        self.with("x-palisade-connection", kind.into())
    }

    /// Marks the name of a connection to a database server of a kind: `mysql` or `postgres`. The operator sets connections up;
    /// the plan authorises exactly this one. Where the config leaves it out, it is the one that the properties `host`, `port`,
    /// `user` and `database` beside it lead to.
    #[must_use]
    pub fn database(self, kind: impl Into<String>) -> Self {
        self.with("x-palisade-database", kind.into())
    }

    /// Marks a URL, whose server may be asked. The plan authorises exactly its origin: scheme, host and port.
    #[must_use]
    pub fn url(self) -> Self {
        self.with("x-palisade-url", "http")
    }

    /// Marks the name of a secret that is sent in a header. The plan authorises exactly this value.
    #[must_use]
    pub fn secret(self) -> Self {
        self.with("x-palisade-secret", "header")
    }

    /// Marks the name of a ruleset of a type. The host resolves it and wires it to a port.
    #[must_use]
    pub fn ruleset(self, rule_type: impl Into<String>) -> Self {
        self.with("x-palisade-ruleset", rule_type.into())
    }

    /// Sets any other keyword of JSON Schema.
    #[must_use]
    pub fn with(mut self, keyword: impl Into<String>, value: impl Into<Value>) -> Self {
        self.keywords.insert(keyword.into(), value.into());
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schema_is_strict_and_lists_what_is_required() {
        let schema = ConfigSchema::new()
            .required("path", Property::string().path_read())
            .property("max", Property::integer().above(0).default(10).nullable());
        let value: Value = serde_json::from_str(&schema.to_json()).unwrap();
        assert_eq!(value["additionalProperties"], json!(false));
        assert_eq!(value["required"], json!(["path"]));
        assert_eq!(value["properties"]["path"]["x-palisade-path"], json!("read"));
        assert_eq!(value["properties"]["max"]["type"], json!(["integer", "null"]));
    }

    #[test]
    fn an_enum_can_be_null_too() {
        assert_eq!(Property::one_of(["a", "b"]).nullable().keywords["enum"], json!(["a", "b", null]));
    }
}
