//! Owns the manifest as an author writes it: who the component is, its ports, its config, what it asks for.
//!
//! Never checks it against the host's rules; the host does when the component is added, with precise messages.

use crate::{ConfigSchema, LimitSet};

/// What a component says of itself. Must be the same on every call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    pub(crate) id: String,
    pub(crate) version: String,
    pub(crate) title: String,
    pub(crate) about: String,
    pub(crate) kind: &'static str,
    pub(crate) inputs: Vec<Input>,
    pub(crate) outputs: Vec<Output>,
    pub(crate) config_schema: String,
    pub(crate) schemas: Vec<ArtifactSchema>,
    pub(crate) requests: Vec<Request>,
    pub(crate) limits: Vec<(String, u64)>,
    pub(crate) attributes: Vec<(String, String)>,
}

impl Description {
    /// Describes an analyser. `id` is `namespace:name`, `version` a semantic version.
    pub fn analyser(id: impl Into<String>, version: impl Into<String>, title: impl Into<String>) -> Self {
        Self::new("analyser", id.into(), version.into(), title.into())
    }

    /// Describes a connector: a component that reads from outside.
    pub fn connector(id: impl Into<String>, version: impl Into<String>, title: impl Into<String>) -> Self {
        Self::new("connector", id.into(), version.into(), title.into())
    }

    /// Describes a processor: a component that makes one artifact from another.
    pub fn processor(id: impl Into<String>, version: impl Into<String>, title: impl Into<String>) -> Self {
        Self::new("processor", id.into(), version.into(), title.into())
    }

    /// Describes a classifier: a component that labels findings.
    pub fn classifier(id: impl Into<String>, version: impl Into<String>, title: impl Into<String>) -> Self {
        Self::new("classifier", id.into(), version.into(), title.into())
    }

    /// Describes an agent: an analyser that works with tools towards a goal, which it gets in its config as `goal`.
    pub fn agent(id: impl Into<String>, version: impl Into<String>, title: impl Into<String>) -> Self {
        Self::new("agent", id.into(), version.into(), title.into())
    }

    fn new(kind: &'static str, id: String, version: String, title: String) -> Self {
        Self {
            id,
            version,
            title,
            about: String::new(),
            kind,
            inputs: Vec::new(),
            outputs: Vec::new(),
            config_schema: ConfigSchema::new().to_json(),
            schemas: Vec::new(),
            requests: Vec::new(),
            limits: Vec::new(),
            attributes: Vec::new(),
        }
    }

    /// Says in a few sentences what the component does; read by people and by planners.
    #[must_use]
    pub fn about(mut self, text: impl Into<String>) -> Self {
        self.about = text.into();
        self
    }

    /// Adds an input port.
    #[must_use]
    pub fn input(mut self, port: Input) -> Self {
        self.inputs.push(port);
        self
    }

    /// Adds an output port of one exact schema, `name/major.minor.patch`.
    #[must_use]
    pub fn output(self, name: impl Into<String>, schema: impl Into<String>) -> Self {
        self.output_port(Output::new(name, schema))
    }

    /// Adds an output port with a description or attributes.
    #[must_use]
    pub fn output_port(mut self, port: Output) -> Self {
        self.outputs.push(port);
        self
    }

    /// Sets the schema of the config. Without it the config must be empty.
    #[must_use]
    pub fn config(mut self, schema: ConfigSchema) -> Self {
        self.config_schema = schema.to_json();
        self
    }

    /// Sets the schema of the config from JSON Schema text (2020-12).
    #[must_use]
    pub fn config_json(mut self, schema: impl Into<String>) -> Self {
        self.config_schema = schema.into();
        self
    }

    /// Adds an artifact schema that travels with the component. `name` starts with the component's namespace:
    /// `example:hello` may define `example.word_count`.
    #[must_use]
    pub fn schema(mut self, name: impl Into<String>, version: impl Into<String>, json: impl Into<String>) -> Self {
        self.schemas.push(ArtifactSchema { name: name.into(), version: version.into(), json: json.into() });
        self
    }

    /// Asks for authority.
    #[must_use]
    pub fn request(mut self, request: Request) -> Self {
        self.requests.push(request);
        self
    }

    /// Asks for a named set of limits. What [`Description::limit`] sets by itself goes before what the set says.
    #[must_use]
    pub fn limits(self, set: LimitSet) -> Self {
        self.attribute("limits", set.name())
    }

    /// Asks for a limit by name (see [`limit`](crate::limit)); the host has defaults for the rest.
    #[must_use]
    pub fn limit(mut self, name: impl Into<String>, value: u64) -> Self {
        self.limits.push((name.into(), value));
        self
    }

    /// Adds an attribute that a host may define.
    #[must_use]
    pub fn attribute(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.attributes.push((name.into(), value.into()));
        self
    }
}

/// How many artifacts a port takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Arity {
    One,
    Optional,
    Many,
}

/// An input port: takes one artifact unless said otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input {
    pub(crate) name: String,
    pub(crate) schemas: Vec<String>,
    pub(crate) arity: Arity,
    pub(crate) per_item: bool,
    pub(crate) ruleset: Option<String>,
    pub(crate) about: String,
    pub(crate) attributes: Vec<(String, String)>,
}

impl Input {
    /// Makes an input port.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            schemas: Vec::new(),
            arity: Arity::One,
            per_item: false,
            ruleset: None,
            about: String::new(),
            attributes: Vec::new(),
        }
    }

    /// Adds a schema that it accepts, as `standard_input/1` (any 1.x.y). Several calls: any of them.
    #[must_use]
    pub fn accepts(mut self, schema: impl Into<String>) -> Self {
        self.schemas.push(schema.into());
        self
    }

    /// May be left open.
    #[must_use]
    pub fn optional(mut self) -> Self {
        self.arity = Arity::Optional;
        self
    }

    /// Takes any number of artifacts, in the runbook's order.
    #[must_use]
    pub fn many(mut self) -> Self {
        self.arity = Arity::Many;
        self
    }

    /// Says that the items may be split over several instances. The result must not depend on the split.
    #[must_use]
    pub fn per_item(mut self) -> Self {
        self.per_item = true;
        self
    }

    /// Is not wired by the runbook but gets the ruleset that the config names at `pointer` (a JSON pointer).
    #[must_use]
    pub fn ruleset(mut self, pointer: impl Into<String>) -> Self {
        self.ruleset = Some(pointer.into());
        self
    }

    /// Says what the port is for.
    #[must_use]
    pub fn about(mut self, text: impl Into<String>) -> Self {
        self.about = text.into();
        self
    }

    /// Adds an attribute that a host may define.
    #[must_use]
    pub fn attribute(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.attributes.push((name.into(), value.into()));
        self
    }
}

/// An output port: one artifact of one exact schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    pub(crate) name: String,
    pub(crate) schema: String,
    pub(crate) about: String,
    pub(crate) attributes: Vec<(String, String)>,
}

impl Output {
    /// Makes an output port; `schema` is `name/major.minor.patch`.
    pub fn new(name: impl Into<String>, schema: impl Into<String>) -> Self {
        Self { name: name.into(), schema: schema.into(), about: String::new(), attributes: Vec::new() }
    }

    /// Says what the port is for.
    #[must_use]
    pub fn about(mut self, text: impl Into<String>) -> Self {
        self.about = text.into();
        self
    }

    /// Adds an attribute that a host may define.
    #[must_use]
    pub fn attribute(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.attributes.push((name.into(), value.into()));
        self
    }
}

/// An artifact schema that travels with the component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ArtifactSchema {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) json: String,
}

/// The most authority of one kind that the component can use. Asking gives nothing: the operator grants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    pub(crate) power: String,
    pub(crate) scopes: Vec<String>,
    pub(crate) reason: String,
    pub(crate) optional: bool,
}

impl Request {
    /// Asks for a power by name. `reason` is shown to the person who grants it.
    pub fn new(power: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { power: power.into(), scopes: Vec::new(), reason: reason.into(), optional: false }
    }

    /// Asks to read the paths that the config names (marked by [`Property::path_read`](crate::Property::path_read)).
    pub fn fs_read(reason: impl Into<String>) -> Self {
        Self::new("fs-read", reason)
    }

    /// Asks to write below the folders that the config names (marked by
    /// [`Property::folder_written`](crate::Property::folder_written)).
    pub fn fs_write(reason: impl Into<String>) -> Self {
        Self::new("fs-write", reason)
    }

    /// Asks to read the databases that the config names (marked by
    /// [`Property::connection`](crate::Property::connection)).
    pub fn sql(reason: impl Into<String>) -> Self {
        Self::new("sql", reason)
    }

    /// Asks to read the databases of servers that the config names (marked by
    /// [`Property::database`](crate::Property::database)).
    pub fn database(reason: impl Into<String>) -> Self {
        Self::new("database", reason)
    }

    /// Asks to ask language models: those that are granted to it.
    pub fn llm(reason: impl Into<String>) -> Self {
        Self::new("llm", reason)
    }

    /// Asks to call the tools that its step names.
    pub fn call(reason: impl Into<String>) -> Self {
        Self::new("call", reason)
    }

    /// Asks to send requests to the web servers that the config names (marked by [`Property::url`](crate::Property::url)).
    pub fn http(reason: impl Into<String>) -> Self {
        Self::new("http", reason)
    }

    /// Asks to send secrets that the config names (marked by [`Property::secret`](crate::Property::secret)), which it never
    /// sees; see [`http::secret`](crate::http::secret). Needs `http` too.
    pub fn secret(reason: impl Into<String>) -> Self {
        Self::new("secret", reason)
    }

    /// Narrows the request to a scope, for powers that have them.
    #[must_use]
    pub fn scope(mut self, scope: impl Into<String>) -> Self {
        self.scopes.push(scope.into());
        self
    }

    /// Says that the component works without; a call is then refused.
    #[must_use]
    pub fn optional(mut self) -> Self {
        self.optional = true;
        self
    }
}
