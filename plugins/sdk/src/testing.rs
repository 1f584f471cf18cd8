//! Owns `TestContext`: running an analyser natively, in `cargo test`, without wasm and without a host.
//!
//! Never a substitute for the sandbox: items are not validated and fuel and memory are not metered here.

use std::{collections::BTreeMap, fmt::Display, mem, rc::Rc};

use serde_json::{Map, Value};

use crate::{
    Analyser, Context, Description, Failure, HostError, Level, Result, analyser,
    description::Input,
    host::{
        memory::{Memory, Model, Node, Runbooks, Scripted, Server, Table, World, Written, clean},
        {self},
    },
    http, llm,
    reader::{Info, Reader},
    runbooks::Wrong,
    sql,
    tools::Tool,
};

/// One artifact for a test: items, schema, metadata.
#[derive(Debug, Clone)]
pub struct TestInput {
    port: String,
    schema: Option<String>,
    metadata: String,
    lines: String,
}

impl TestInput {
    /// Makes an artifact of the first schema that the port accepts.
    pub fn new(port: impl Into<String>, items: impl IntoIterator<Item = Value>) -> Self {
        let lines = items.into_iter().map(|item| format!("{item}\n")).collect();
        Self { port: port.into(), schema: None, metadata: "{}".to_owned(), lines }
    }

    /// Makes an artifact from JSON Lines, each ended by `\n`.
    pub fn lines(port: impl Into<String>, lines: impl Into<String>) -> Self {
        Self { port: port.into(), schema: None, metadata: "{}".to_owned(), lines: lines.into() }
    }

    /// Sets the schema, `name/major.minor.patch`.
    #[must_use]
    pub fn schema(mut self, schema: impl Into<String>) -> Self {
        self.schema = Some(schema.into());
        self
    }

    /// Sets the metadata object.
    #[must_use]
    pub fn metadata(mut self, metadata: Value) -> Self {
        self.metadata = metadata.to_string();
        self
    }
}

/// What comes of a runbook that is submitted in a test.
#[derive(Debug, Clone)]
pub enum TestSubmitted {
    /// What it made: name, schema as `name/major.minor.patch`, items.
    Done(Vec<(String, String, Vec<Value>)>),
    /// It can't run so.
    Refused(Vec<Wrong>),
    /// A person said no, in these words.
    Rejected(String),
    /// It ran and failed.
    Failed(String),
}

/// What a test hands to an analyser. Every method adds to it.
#[derive(Debug, Default)]
pub struct TestContext {
    inputs: Vec<TestInput>,
    config: Value,
    parts: usize,
    world: World,
}

impl TestContext {
    /// Makes an empty one: no inputs, no files, an empty config, no limits.
    pub fn new() -> Self {
        Self { config: Value::Object(Map::new()), parts: 1, ..Self::default() }
    }

    /// Adds an artifact of the given items.
    #[must_use]
    pub fn input(self, port: impl Into<String>, items: impl IntoIterator<Item = Value>) -> Self {
        self.artifact(TestInput::new(port, items))
    }

    /// Adds an artifact.
    #[must_use]
    pub fn artifact(mut self, input: TestInput) -> Self {
        self.inputs.push(input);
        self
    }

    /// Sets the config. Defaults of the config schema are filled in, as the host does.
    #[must_use]
    pub fn config(mut self, config: Value) -> Self {
        self.config = config;
        self
    }

    /// Splits the items of the per-item input over that many instances. The result must not change.
    #[must_use]
    pub fn parts(mut self, parts: usize) -> Self {
        self.parts = parts.max(1);
        self
    }

    /// Sets a limit by name (see [`limit`](crate::limit)). Output bytes, bytes per call, files and bytes read and
    /// written, and rows are enforced; the others are only told to the analyser.
    #[must_use]
    pub fn limit(mut self, name: impl Into<String>, value: u64) -> Self {
        self.world.limits.push((name.into(), value));
        self
    }

    /// Opens a folder, as the plan does for a path of the config. Without it, `.` is opened.
    #[must_use]
    pub fn folder(mut self, name: impl Into<String>) -> Self {
        self.world.preopens.push(name.into());
        self
    }

    /// Opens a folder to be written to, as the plan does for a folder of the config: empty, whatever [`Self::file`] says.
    #[must_use]
    pub fn write_folder(mut self, name: impl Into<String>) -> Self {
        self.world.write_folders.push(name.into());
        self
    }

    /// Adds a file. Folders on the way exist.
    #[must_use]
    pub fn file(self, path: &str, bytes: impl AsRef<[u8]>) -> Self {
        self.node(path, Node::File(bytes.as_ref().into()))
    }

    /// Adds a symbolic link.
    #[must_use]
    pub fn link(self, path: &str, target: impl Into<String>) -> Self {
        self.node(path, Node::Link(target.into()))
    }

    /// Adds something that is no file: a FIFO, socket or device.
    #[must_use]
    pub fn special_file(self, path: &str) -> Self {
        self.node(path, Node::Special)
    }

    /// Adds a file that can't be opened.
    #[must_use]
    pub fn unreadable_file(self, path: &str) -> Self {
        self.node(path, Node::Denied)
    }

    fn node(mut self, path: &str, node: Node) -> Self {
        if let Ok(path) = clean(path) {
            self.world.files.insert(path, node);
        }
        self
    }

    /// Scripts the answer to one statement with these parameters.
    #[must_use]
    pub fn rows(
        mut self,
        connection: impl Into<String>,
        statement: impl Into<String>,
        parameters: impl IntoIterator<Item = sql::Value>,
        columns: impl IntoIterator<Item = (&'static str, &'static str)>,
        rows: impl IntoIterator<Item = Vec<sql::Value>>,
    ) -> Self {
        let columns = columns
            .into_iter()
            .map(|(name, declared)| sql::Column { name: name.to_owned(), declared_type: declared.to_owned() })
            .collect();
        self.world.tables.push(Table {
            connection: connection.into(),
            statement: statement.into(),
            parameters: parameters.into_iter().collect(),
            answer: Ok((columns, rows.into_iter().collect())),
        });
        self
    }

    /// Scripts a refusal of one statement with these parameters.
    #[must_use]
    pub fn rows_error(
        mut self,
        connection: impl Into<String>,
        statement: impl Into<String>,
        parameters: impl IntoIterator<Item = sql::Value>,
        error: HostError,
    ) -> Self {
        self.world.tables.push(Table {
            connection: connection.into(),
            statement: statement.into(),
            parameters: parameters.into_iter().collect(),
            answer: Err(error),
        });
        self
    }

    /// Adds a tool, which answers as told: it gets the config and what is given to each port, and gives what comes out of
    /// each.
    #[must_use]
    pub fn tool(
        mut self,
        tool: Tool,
        answer: impl Fn(&Value, &[(String, Vec<Value>)]) -> Result<Vec<(String, Vec<Value>)>, HostError> + 'static,
    ) -> Self {
        self.world.tools.push(Scripted { tool, answer: Box::new(answer) });
        self
    }

    /// Lets the analyser submit so many runbooks, of which comes what is told: it gets the runbook and what is given to each
    /// input. Without it every runbook is denied. Nothing ends the attempt here.
    #[must_use]
    pub fn runbooks(
        mut self,
        most: u32,
        came: impl Fn(&Value, &[(String, Vec<Value>)]) -> TestSubmitted + 'static,
    ) -> Self {
        self.world.runbooks = Some(Runbooks { most, came: Box::new(came) });
        self
    }

    /// Lets models answer as told, whichever is asked. Without it every question is denied.
    #[must_use]
    pub fn models(mut self, answer: impl Fn(&llm::Question) -> Result<llm::Answer, HostError> + 'static) -> Self {
        self.world.models = Some(Model(Box::new(answer)));
        self
    }

    /// Scripts the answer of a web server to requests of a method and a URL. All other requests are denied.
    #[must_use]
    pub fn answer(
        mut self,
        method: http::Method,
        url: impl Into<String>,
        status: u16,
        headers: impl IntoIterator<Item = (&'static str, &'static str)>,
        body: impl Into<Vec<u8>>,
    ) -> Self {
        let headers = headers.into_iter().map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec())).collect();
        self.world.servers.push(Server { method, url: url.into(), answer: Ok((status, headers, body.into())) });
        self
    }

    /// Scripts that requests of a method and a URL come to nothing.
    #[must_use]
    pub fn answer_error(mut self, method: http::Method, url: impl Into<String>, error: http::HttpError) -> Self {
        self.world.servers.push(Server { method, url: url.into(), answer: Err(error) });
        self
    }

    /// Runs the analyser: `run` for each part, then `finish`.
    ///
    /// Mistakes that the real host would refuse when the component is added or planned (a port that the manifest does
    /// not have, an unknown config key) are failures of the outcome.
    pub fn run<A: Analyser>(mut self) -> TestOutcome {
        let description = A::describe();
        if self.world.preopens.is_empty() {
            self.world.preopens.push(".".to_owned());
        }
        self.world.input_ports = description.inputs.iter().map(|port| port.name.clone()).collect();
        self.world.output_ports = description.outputs.iter().map(|port| port.name.clone()).collect();
        let world = Rc::new(mem::take(&mut self.world));
        let result = self.perform::<A>(&description, &world);
        let (metadata, result) = match result {
            Ok(metadata) => (metadata, Ok(())),
            Err(failure) => (BTreeMap::new(), Err(failure)),
        };
        // What a step writes that fails goes nowhere.
        let written = if result.is_ok() { world.written.take() } else { BTreeMap::new() };
        let file = |(path, written)| match written {
            Written::File(bytes) => Some((path, bytes.take())),
            Written::Folder => None,
        };
        TestOutcome {
            result,
            metadata,
            written: written.into_iter().filter_map(file).collect(),
            outputs: world.outputs.take(),
            logs: world.logs.take(),
            requests: world.requests.take(),
            skips: world.skips.take(),
            progress: world.progress.take(),
        }
    }

    fn perform<A: Analyser>(mut self, description: &Description, world: &Rc<World>) -> Result<BTreeMap<String, Value>> {
        let schema: Value = serde_json::from_str(&description.config_schema)
            .map_err(|error| Failure::bad_config(format!("the manifest's config schema: {error}")))?;
        complete(&mut self.config, &schema)?;
        let config = self.config.to_string();
        let inputs = self
            .inputs
            .into_iter()
            .map(|input| Artifact::new(input, &description.inputs))
            .collect::<Result<Vec<_>>>()?;
        let parts = if inputs.iter().any(|input| input.per_item) { self.parts } else { 1 };
        let mut partials = Vec::new();
        for part in 0..parts {
            let readers = inputs.iter().map(|input| input.reader(part, parts)).collect();
            partials.push(analyser::run::<A>(&Context::new(Memory::new(world), readers), &config)?);
        }
        let metadata = analyser::finish::<A>(&Context::new(Memory::new(world), Vec::new()), &config, &partials)?;
        metadata.into_iter().map(|one| Ok((one.port, serde_json::from_str(&one.json)?))).collect()
    }
}

/// An input with what its port says.
struct Artifact {
    port: String,
    info: Info,
    lines: Rc<str>,
    per_item: bool,
}

impl Artifact {
    fn new(input: TestInput, ports: &[Input]) -> Result<Self> {
        let port = ports
            .iter()
            .find(|port| port.name == input.port)
            .ok_or_else(|| Failure::failed(format!("no input port `{}` in the manifest", input.port)))?;
        let schema = input.schema.or_else(|| port.schemas.first().cloned()).unwrap_or_default();
        let (name, version) = schema.rsplit_once('/').unwrap_or((&schema, ""));
        // A port says `name/1`, an artifact has all three numbers.
        let missing = 2_usize.saturating_sub(version.matches('.').count());
        let info = Info {
            schema: name.to_owned(),
            version: format!("{version}{}", ".0".repeat(missing)),
            item_count: input.lines.lines().count() as u64,
            byte_count: input.lines.len() as u64,
            metadata: input.metadata,
        };
        Ok(Self { port: input.port, info, lines: input.lines.into(), per_item: port.per_item })
    }

    /// Makes the reader of one part. An input that is not per-item is whole in every part.
    fn reader(&self, part: usize, parts: usize) -> Reader {
        let (part, parts) = if self.per_item { (part, parts) } else { (0, 1) };
        let count = self.info.item_count as usize;
        let (first, last) = (count * part / parts, count * (part + 1) / parts);
        let ends: Vec<usize> = self.lines.match_indices('\n').map(|(at, _)| at + 1).collect();
        let offset = |item: usize| match item {
            0 => 0,
            item => ends.get(item - 1).copied().unwrap_or(self.lines.len()),
        };
        let range = (offset(first), offset(last));
        let info =
            Info { item_count: (last - first) as u64, byte_count: (range.1 - range.0) as u64, ..self.info.clone() };
        let inner = host::Reader::new(info, Rc::clone(&self.lines), range, first as u64);
        Reader::new(self.port.clone(), inner)
    }
}

/// Fills in defaults and refuses unknown keys as the host does: an absent property takes its whole default, then the
/// same below each property.
fn complete(value: &mut Value, schema: &Value) -> Result<()> {
    let (Some(object), Some(properties)) = (value.as_object_mut(), schema.get("properties").and_then(Value::as_object))
    else {
        return Ok(());
    };
    if schema.get("additionalProperties") == Some(&Value::Bool(false))
        && let Some(unknown) = object.keys().find(|key| !properties.contains_key(*key))
    {
        return Err(Failure::bad_config(format!("unknown key `{unknown}`")));
    }
    for required in schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str) {
        if !object.contains_key(required) {
            return Err(Failure::bad_config(format!("missing key `{required}`")));
        }
    }
    for (name, property) in properties {
        if let (false, Some(default)) = (object.contains_key(name), property.get("default")) {
            object.insert(name.clone(), default.clone());
        }
        if let Some(value) = object.get_mut(name) {
            complete(value, property)?;
        }
    }
    Ok(())
}

/// What an analyser did in a test.
#[derive(Debug, Clone)]
pub struct TestOutcome {
    /// `Ok`, or why it failed. Outputs count only if it is `Ok`.
    pub result: Result<()>,
    /// Metadata by output port.
    pub metadata: BTreeMap<String, Value>,
    /// Log lines, in order.
    pub logs: Vec<(Level, String)>,
    /// What was left out, and why, in order.
    pub skips: Vec<(String, String)>,
    /// The latest progress: done, total, note.
    pub progress: Option<(u64, Option<u64>, String)>,
    /// Requests to web servers, in order, those that came to nothing among them.
    pub requests: Vec<http::Request>,
    /// The files that would be put in their places, by their paths; none unless `result` is `Ok`.
    pub written: BTreeMap<String, Vec<u8>>,
    outputs: BTreeMap<String, Vec<u8>>,
}

impl TestOutcome {
    /// Returns the items of an output port, parsed.
    ///
    /// # Panics
    /// If the analyser failed or an item is not JSON: this is for tests.
    #[track_caller]
    pub fn items(&self, port: &str) -> Vec<Value> {
        let text = require(self.lines(port), "the outputs are UTF-8");
        text.lines().map(|line| require(serde_json::from_str(line), line)).collect()
    }

    /// Returns the items of an output port as JSON Lines.
    ///
    /// # Panics
    /// If the analyser failed: this is for tests.
    #[track_caller]
    pub fn lines(&self, port: &str) -> Result<&str, std::str::Utf8Error> {
        require(self.result.as_ref(), "the analyser failed");
        std::str::from_utf8(self.outputs.get(port).map(Vec::as_slice).unwrap_or_default())
    }

    /// Returns the failure.
    ///
    /// # Panics
    /// If the analyser succeeded: this is for tests.
    #[track_caller]
    pub fn failure(&self) -> &Failure {
        match &self.result {
            Err(failure) => failure,
            Ok(()) => panic!("the analyser succeeded, a failure was expected"),
        }
    }
}

#[track_caller]
fn require<T, E: Display>(result: Result<T, E>, what: &str) -> T {
    match result {
        Ok(value) => value,
        Err(error) => panic!("{what}: {error}"),
    }
}
