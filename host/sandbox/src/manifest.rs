//! From what `describe` answers to a manifest: names become ids, texts become versions and schemas.
//!
//! Lists are open in the interface, so that it can grow; here every name must be known. Rules between the parts are
//! the model's.

use crate::bindings::exports::palisade::plugin::manifest as wit;
use palisade_model::manifest::{Arity, ComponentKind, InputPort, InputSource, OutputPort, OwnSchema, Power, Request};
use palisade_model::schema_ref::SchemaRefError;
use palisade_model::{LimitKind, LimitSet, Manifest, SchemaRef, strict_json};
use std::collections::BTreeMap;

/// Why an answer is no manifest. All texts of the component are quoted as they are; neutralise before showing.
#[derive(Debug, thiserror::Error)]
pub enum NotAManifest {
    /// A name is not known to this version.
    #[error("the manifest names the {what} `{name}`, which this version of Palisade does not know")]
    Unknown {
        /// What it names.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// The id is none.
    #[error("the manifest's id is not valid")]
    Id(#[from] palisade_model::id::IdError),
    /// A version is none.
    #[error("`{text}` in the manifest is not a version: major.minor.patch")]
    Version {
        /// What it says.
        text: String,
    },
    /// A schema is named in a form that is none.
    #[error("port `{port}` of the manifest names a schema in a form that is not valid")]
    PortSchema {
        /// The port.
        port: String,
        /// What is wrong.
        #[source]
        source: SchemaRefError,
    },
    /// An output port has another number of schemas than one, or an arity.
    #[error("output port `{port}` of the manifest must name exactly one schema and have the arity `one`")]
    OutputShape {
        /// The port.
        port: String,
    },
    /// A ruleset port also accepts schemas.
    #[error("input port `{port}` of the manifest takes a ruleset, so it can't accept schemas")]
    RulesetWithSchemas {
        /// The port.
        port: String,
    },
    /// A schema of the component's own has no valid name.
    #[error("the manifest brings a schema whose name is not valid")]
    OwnSchema(#[source] SchemaRefError),
    /// A JSON text is none.
    #[error("{what} in the manifest is not valid JSON")]
    Json {
        /// Which text.
        what: String,
        /// What is wrong.
        #[source]
        source: serde_json::Error,
    },
    /// A power is requested with scopes, but takes them from the config.
    #[error("the request of power `{power}` in the manifest has scopes, but it takes them from the config")]
    Scopes {
        /// The power.
        power: &'static str,
    },
    /// An attribute is named twice.
    #[error("the manifest has the attribute `{attribute}` twice")]
    DuplicateAttribute {
        /// The attribute.
        attribute: &'static str,
    },
    /// A limit is named twice.
    #[error("the manifest sets limit `{limit}` twice")]
    DuplicateLimit {
        /// The limit.
        limit: &'static str,
    },
}

/// The attribute of a component that names a set of limits.
const LIMITS: &str = "limits";

/// Makes a manifest of an answer.
pub(crate) fn checked(said: wit::Description) -> Result<Manifest, NotAManifest> {
    Ok(Manifest {
        id: said.id.parse()?,
        version: version(&said.version)?,
        kind: ComponentKind::from_name(&said.kind).ok_or_else(|| unknown("kind", &said.kind))?,
        title: said.title,
        description: said.description,
        inputs: said.inputs.into_iter().map(input).collect::<Result<_, _>>()?,
        outputs: said.outputs.into_iter().map(output).collect::<Result<_, _>>()?,
        config_schema: json("the config schema".into(), &said.config_schema)?,
        schemas: said.schemas.into_iter().map(own_schema).collect::<Result<_, _>>()?,
        requests: said.requests.into_iter().map(request).collect::<Result<_, _>>()?,
        limits: limits(limit_set(&said.attributes)?, &said.limits)?,
    })
}

/// The first part in which two answers differ.
pub(crate) fn difference(one: &wit::Description, other: &wit::Description) -> Option<&'static str> {
    // The bindings derive no equality; their debug text says all they hold.
    let differ = |a: &dyn std::fmt::Debug, b: &dyn std::fmt::Debug| format!("{a:?}") != format!("{b:?}");
    [
        ("id", one.id != other.id),
        ("version", one.version != other.version),
        ("title", one.title != other.title),
        ("description", one.description != other.description),
        ("kind", one.kind != other.kind),
        ("inputs", differ(&one.inputs, &other.inputs)),
        ("outputs", differ(&one.outputs, &other.outputs)),
        ("config-schema", one.config_schema != other.config_schema),
        ("schemas", differ(&one.schemas, &other.schemas)),
        ("requests", differ(&one.requests, &other.requests)),
        ("limits", differ(&one.limits, &other.limits)),
        ("attributes", differ(&one.attributes, &other.attributes)),
    ]
    .into_iter()
    .find_map(|(part, differs)| differs.then_some(part))
}

fn input(port: wit::Port) -> Result<InputPort, NotAManifest> {
    no_attributes(&port.attributes)?;
    let source = match port.ruleset {
        Some(_) if !port.schemas.is_empty() => return Err(NotAManifest::RulesetWithSchemas { port: port.name }),
        Some(pointer) => InputSource::Ruleset { pointer },
        None => {
            let accepts = port.schemas.iter().map(|schema| schema.parse()).collect::<Result<_, _>>();
            InputSource::Runbook { accepts: accepts.map_err(|source| port_schema(&port.name, source))? }
        }
    };
    let arity = match port.arity {
        wit::Arity::One => Arity::One,
        wit::Arity::Optional => Arity::Optional,
        wit::Arity::Many => Arity::Many,
    };
    Ok(InputPort { name: port.name, source, arity, per_item: port.per_item, description: port.description })
}

fn output(port: wit::Port) -> Result<OutputPort, NotAManifest> {
    no_attributes(&port.attributes)?;
    let [schema] = port.schemas.as_slice() else { return Err(NotAManifest::OutputShape { port: port.name }) };
    if port.arity != wit::Arity::One || port.ruleset.is_some() {
        return Err(NotAManifest::OutputShape { port: port.name });
    }
    let schema = schema.parse().map_err(|source| port_schema(&port.name, source))?;
    Ok(OutputPort { name: port.name, schema, description: port.description })
}

fn port_schema(port: &str, source: SchemaRefError) -> NotAManifest {
    NotAManifest::PortSchema { port: port.to_owned(), source }
}

fn own_schema(own: wit::Schema) -> Result<OwnSchema, NotAManifest> {
    let schema = SchemaRef::new(&own.name, version(&own.version)?).map_err(NotAManifest::OwnSchema)?;
    let json = json(format!("schema `{schema}`"), &own.json)?;
    Ok(OwnSchema { schema, json })
}

fn request(request: wit::Request) -> Result<Request, NotAManifest> {
    let power = Power::from_name(&request.power).ok_or_else(|| unknown("power", &request.power))?;
    if !request.scopes.is_empty() {
        return Err(NotAManifest::Scopes { power: power.name() });
    }
    Ok(Request { power, reason: request.reason, optional: request.optional })
}

/// The set of limits that the component asks for by name.
fn limit_set(attributes: &[wit::Attribute]) -> Result<Option<LimitSet>, NotAManifest> {
    let mut set = None;
    for attribute in attributes {
        if attribute.name != LIMITS {
            return Err(unknown("attribute", &attribute.name));
        }
        let named = LimitSet::parse(&attribute.value).ok_or_else(|| unknown("set of limits", &attribute.value))?;
        if set.replace(named).is_some() {
            return Err(NotAManifest::DuplicateAttribute { attribute: LIMITS });
        }
    }
    Ok(set)
}

/// What the set gives, and over it what is asked for by itself.
fn limits(set: Option<LimitSet>, amounts: &[wit::Amount]) -> Result<BTreeMap<LimitKind, u64>, NotAManifest> {
    let mut named = BTreeMap::new();
    for amount in amounts {
        let kind = LimitKind::from_name(&amount.name).ok_or_else(|| unknown("limit", &amount.name))?;
        if named.insert(kind, amount.value).is_some() {
            return Err(NotAManifest::DuplicateLimit { limit: kind.name() });
        }
    }
    let mut limits = set.map(LimitSet::values).unwrap_or_default();
    limits.extend(named);
    Ok(limits)
}

/// None is defined for ports yet.
fn no_attributes(attributes: &[wit::Attribute]) -> Result<(), NotAManifest> {
    match attributes.first() {
        Some(attribute) => Err(unknown("attribute", &attribute.name)),
        None => Ok(()),
    }
}

fn version(text: &str) -> Result<semver::Version, NotAManifest> {
    let parsed = semver::Version::parse(text).ok().filter(|parsed| parsed.build.is_empty());
    parsed.ok_or_else(|| NotAManifest::Version { text: text.to_owned() })
}

fn json(what: String, text: &str) -> Result<serde_json::Value, NotAManifest> {
    strict_json::from_str(text).map_err(|source| NotAManifest::Json { what, source })
}

fn unknown(what: &'static str, name: &str) -> NotAManifest {
    NotAManifest::Unknown { what, name: name.to_owned() }
}
