//! Owns the host of native tests: inputs, outputs, files and query results in memory.
//!
//! Counts what the real host counts as values (output bytes, files, rows) when the test sets such a limit. Never
//! validates items against schemas and never meters fuel or memory; `palisade plugin test` does.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    rc::Rc,
};

use serde_json::Value as Json;

use super::{
    Answered, Headers, Host, ListNames, MakeFiles, OpenFiles, ReadBody, ReadBytes, ReadItems, ReadRows, WriteBytes,
};
use crate::{
    HostError, HostErrorKind, Level,
    agent::takes_goal,
    fs::{FileKind, FsError, FsErrorKind, Links, Stat},
    http::{self, HttpError, HttpErrorKind},
    limits::limit,
    llm,
    reader::Info,
    runbooks::Submitted,
    sql::{Column, Value},
    testing::TestSubmitted,
    tools::{Argument, Call, Items, Tool},
};

/// Bytes of a batch if the guest leaves it to the host.
const BATCH_BYTES: usize = 256 << 10;

/// Links followed on the way to one file.
const MAX_LINKS: u32 = 16;

/// Everything a test sets and everything a guest does, shared by the instances of one step.
#[derive(Debug, Default)]
pub(crate) struct World {
    pub(crate) limits: Vec<(String, u64)>,
    pub(crate) input_ports: Vec<String>,
    pub(crate) output_ports: Vec<String>,
    pub(crate) preopens: Vec<String>,
    pub(crate) files: BTreeMap<String, Node>,
    pub(crate) write_folders: Vec<String>,
    pub(crate) written: RefCell<BTreeMap<String, Written>>,
    pub(crate) tables: Vec<Table>,
    pub(crate) tools: Vec<Scripted>,
    pub(crate) models: Option<Model>,
    pub(crate) runbooks: Option<Runbooks>,
    pub(crate) submitted: Cell<u32>,
    pub(crate) servers: Vec<Server>,
    pub(crate) requests: RefCell<Vec<http::Request>>,
    pub(crate) outputs: RefCell<BTreeMap<String, Vec<u8>>>,
    pub(crate) logs: RefCell<Vec<(Level, String)>>,
    pub(crate) skips: RefCell<Vec<(String, String)>>,
    pub(crate) progress: RefCell<Option<(u64, Option<u64>, String)>>,
    used: RefCell<BTreeMap<&'static str, u64>>,
}

/// What a path stands for.
#[derive(Debug, Clone)]
pub(crate) enum Node {
    File(Rc<[u8]>),
    Link(String),
    Special,
    Denied,
}

/// What a guest wrote at a path.
#[derive(Debug, Clone)]
pub(crate) enum Written {
    File(Rc<RefCell<Vec<u8>>>),
    Folder,
}

/// The scripted answer to one statement.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) connection: String,
    pub(crate) statement: String,
    pub(crate) parameters: Vec<Value>,
    pub(crate) answer: Result<(Vec<Column>, Vec<Vec<Value>>), HostError>,
}

/// A tool of a test, and what it answers.
pub(crate) struct Scripted {
    pub(crate) tool: Tool,
    pub(crate) answer: ToolAnswer,
}

/// Gets the config and what is given to each port; gives what comes out of each.
pub(crate) type ToolAnswer = Box<dyn Fn(&Json, &[(String, Vec<Json>)]) -> Result<Vec<(String, Vec<Json>)>, HostError>>;

/// What models of a test answer.
pub(crate) struct Model(pub(crate) Said);

/// Gets the question; gives the answer.
pub(crate) type Said = Box<dyn Fn(&llm::Question) -> Result<llm::Answer, HostError>>;

/// What comes of the runbooks of a test.
pub(crate) struct Runbooks {
    pub(crate) most: u32,
    pub(crate) came: Came,
}

/// Gets a runbook and what is given to each input; gives what comes of it.
pub(crate) type Came = Box<dyn Fn(&Json, &[(String, Vec<Json>)]) -> TestSubmitted>;

impl std::fmt::Debug for Runbooks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Runbooks").field("most", &self.most).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Model {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Model").finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Scripted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scripted").field("tool", &self.tool.id).finish_non_exhaustive()
    }
}

/// The scripted answer to requests of one method and URL.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) method: http::Method,
    pub(crate) url: String,
    pub(crate) answer: Result<(u16, Headers, Vec<u8>), HttpError>,
}

impl World {
    /// Uses up a limit, if the test set it.
    fn spend(&self, name: &'static str, amount: u64) -> Result<(), HostError> {
        let Some((_, limit)) = self.limits.iter().find(|(known, _)| known == name) else { return Ok(()) };
        let mut used = self.used.borrow_mut();
        let used = used.entry(name).or_default();
        *used = used.saturating_add(amount);
        if *used > *limit {
            return Err(HostError::new(HostErrorKind::LimitExceeded, format!("limit `{name}` of {limit} is used up")));
        }
        Ok(())
    }
}

/// The host of one instance.
#[derive(Debug, Clone)]
pub(crate) struct Memory {
    world: Rc<World>,
}

impl Memory {
    pub(crate) fn new(world: &Rc<World>) -> Self {
        Self { world: Rc::clone(world) }
    }
}

impl Host for Memory {
    fn log(&self, level: Level, message: &str) {
        self.world.logs.borrow_mut().push((level, message.to_owned()));
    }

    fn progress(&self, done: u64, total: Option<u64>, note: &str) {
        *self.world.progress.borrow_mut() = Some((done, total, note.to_owned()));
    }

    fn skip(&self, what: &str, reason: &str) {
        self.world.skips.borrow_mut().push((what.to_owned(), reason.to_owned()));
    }

    fn limits(&self) -> Vec<(String, u64)> {
        self.world.limits.clone()
    }

    fn idempotency_key(&self) -> String {
        "test".to_owned()
    }

    fn emit(&self, port: &str, items: &[u8]) -> Result<(), HostError> {
        if !self.world.output_ports.iter().any(|known| known == port) {
            return Err(HostError::new(HostErrorKind::Invalid, format!("no output port `{port}` in the manifest")));
        }
        let call_bytes = self.world.limits.iter().find(|(name, _)| name == limit::CALL_BYTES);
        if call_bytes.is_some_and(|(_, most)| items.len() as u64 > *most) {
            return Err(HostError::new(HostErrorKind::LimitExceeded, "limit `call-bytes` is used up"));
        }
        self.world.spend(limit::OUTPUT_BYTES, items.len() as u64)?;
        self.world.outputs.borrow_mut().entry(port.to_owned()).or_default().extend_from_slice(items);
        Ok(())
    }

    fn check_input(&self, port: &str) -> Result<(), HostError> {
        if self.world.input_ports.iter().any(|known| known == port) {
            return Ok(());
        }
        Err(HostError::new(HostErrorKind::Invalid, format!("no input port `{port}` in the manifest")))
    }

    fn preopens(&self) -> Vec<(String, Directory)> {
        let open = |name: &String| {
            let path = clean(name).ok()?;
            Some((name.clone(), Directory { world: Rc::clone(&self.world), root: path.clone(), path }))
        };
        self.world.preopens.iter().filter_map(open).collect()
    }

    fn write_folders(&self) -> Vec<(String, WriteFolder)> {
        let open = |name: &String| {
            Some((name.clone(), WriteFolder { world: Rc::clone(&self.world), path: clean(name).ok()? }))
        };
        self.world.write_folders.iter().filter_map(open).collect()
    }

    fn query(&self, connection: &str, statement: &str, parameters: &[Value]) -> Result<Rows, HostError> {
        let table = self.world.tables.iter().find(|table| {
            table.connection == connection && table.statement == statement && table.parameters == parameters
        });
        let table = table.ok_or_else(|| {
            let text = format!("the test scripts no answer to `{statement}` with {parameters:?} on `{connection}`");
            HostError::new(HostErrorKind::Invalid, text)
        })?;
        let (columns, rows) = table.answer.clone()?;
        Ok(Rows { world: Rc::clone(&self.world), columns, rows: RefCell::new(rows.into_iter()) })
    }

    fn tools(&self) -> Vec<Tool> {
        self.world.tools.iter().map(|scripted| scripted.tool.clone()).collect()
    }

    fn call_tool(&self, call: &Call<'_>) -> Result<Vec<(String, Reader)>, HostError> {
        let wrong = |text: String| HostError::new(HostErrorKind::Invalid, text);
        let scripted = self.world.tools.iter().find(|scripted| scripted.tool.id == call.id);
        let scripted = scripted.ok_or_else(|| HostError::new(HostErrorKind::Denied, "not allowed"))?;
        self.world.spend(limit::TOOL_CALLS, 1)?;
        if call.hands_over && !takes_goal(&scripted.tool) {
            return Err(wrong(format!("the tool `{}` is none of the team, and takes nothing over", call.id)));
        }
        let config =
            serde_json::from_str(&call.config).map_err(|error| wrong(format!("the config of the tool: {error}")))?;
        let given = |argument: &Argument<'_>| {
            let items = match &argument.items {
                Items::Lines(lines) => parsed(&String::from_utf8_lossy(lines)),
                Items::Artifact(reader) => parsed(&reader.lines),
            };
            Ok((argument.port.clone(), items?))
        };
        let given = call.arguments.iter().map(given).collect::<Result<Vec<_>, _>>()?;
        let made = (scripted.answer)(&config, &given)?;
        Ok(made.into_iter().map(|(port, items)| (port.clone(), made_by(&scripted.tool, &port, &items))).collect())
    }

    fn most_runbooks(&self) -> u32 {
        self.world.runbooks.as_ref().map_or(0, |runbooks| runbooks.most)
    }

    fn submit(&self, definition: &str, inputs: &[(String, &Reader)]) -> Result<Submitted, HostError> {
        let Some(Runbooks { most, came }) = &self.world.runbooks else {
            return Err(HostError::new(HostErrorKind::Denied, "not allowed"));
        };
        let submitted = self.world.submitted.get();
        if submitted == *most {
            let message = format!("the step may submit {most} runbooks");
            return Err(HostError::new(HostErrorKind::LimitExceeded, message));
        }
        self.world.submitted.set(submitted + 1);
        let wrong = |error: serde_json::Error| HostError::new(HostErrorKind::Invalid, error.to_string());
        let definition = serde_json::from_str(definition).map_err(wrong)?;
        let given = inputs.iter().map(|(name, reader)| Ok((name.clone(), parsed(&reader.lines)?)));
        let given = given.collect::<Result<Vec<_>, HostError>>()?;
        Ok(match came(&definition, &given) {
            TestSubmitted::Done(made) => Submitted::Done(
                made.into_iter().map(|(name, schema, items)| (name, reader_of(&schema, &items))).collect(),
            ),
            TestSubmitted::Refused(wrong) => Submitted::Refused(wrong),
            TestSubmitted::Rejected(words) => Submitted::Rejected(words),
            TestSubmitted::Failed(words) => Submitted::Failed(words),
        })
    }

    fn ask_model(&self, question: &llm::Question) -> Result<llm::Answer, HostError> {
        let Some(Model(answer)) = &self.world.models else {
            return Err(HostError::new(HostErrorKind::Denied, "not allowed"));
        };
        self.world.spend(limit::LLM_CALLS, 1)?;
        let answer = answer(question)?;
        self.world.spend(limit::LLM_TOKENS, answer.usage.tokens)?;
        self.world.spend(limit::LLM_COST, answer.usage.cost)?;
        Ok(answer)
    }

    fn send(&self, request: &http::Request) -> Result<Answered, HttpError> {
        let over = |error: HostError| HttpError::new(HttpErrorKind::Unavailable, error.message);
        self.world.spend(limit::HTTP_REQUESTS, 1).map_err(over)?;
        self.world.spend(limit::HTTP_BYTES, request.body.len() as u64).map_err(over)?;
        self.world.requests.borrow_mut().push(request.clone());
        let known = |server: &&Server| server.method == request.method && server.url == request.url;
        // What a test does not script is what nobody granted.
        let denied = || HttpError::new(HttpErrorKind::Denied, "not allowed");
        let (status, headers, bytes) = self.world.servers.iter().find(known).ok_or_else(denied)?.answer.clone()?;
        self.world.spend(limit::HTTP_BYTES, bytes.len() as u64).map_err(over)?;
        Ok((status, headers, Body { bytes }))
    }
}

/// What a tool of a test made.
fn made_by(tool: &Tool, port: &str, items: &[Json]) -> Reader {
    let schema = tool.outputs.iter().find(|known| known.name == port).and_then(|known| known.schemas.first());
    reader_of(schema.map_or("", String::as_str), items)
}

fn parsed(lines: &str) -> Result<Vec<Json>, HostError> {
    let items = lines.lines().map(serde_json::from_str).collect::<Result<_, _>>();
    items.map_err(|error| HostError::new(HostErrorKind::Invalid, error.to_string()))
}

fn reader_of(schema: &str, items: &[Json]) -> Reader {
    let lines: String = items.iter().map(|item| format!("{item}\n")).collect();
    let (schema, version) = schema.rsplit_once('/').unwrap_or_default();
    let info = Info {
        schema: schema.to_owned(),
        version: version.to_owned(),
        item_count: items.len() as u64,
        byte_count: lines.len() as u64,
        metadata: "{}".to_owned(),
    };
    let range = (0, lines.len());
    Reader::new(info, lines.into(), range, 0)
}

/// A reader over JSON Lines in memory.
#[derive(Debug)]
pub(crate) struct Reader {
    info: Info,
    lines: Rc<str>,
    range: Cell<(usize, usize)>,
    next: Cell<u64>,
}

impl Reader {
    /// Reads the bytes `range` of `lines`, whose first item has the number `first`.
    pub(crate) fn new(info: Info, lines: Rc<str>, range: (usize, usize), first: u64) -> Self {
        Self { info, lines, range: Cell::new(range), next: Cell::new(first) }
    }
}

impl ReadItems for Reader {
    fn info(&self) -> Info {
        self.info.clone()
    }

    fn next(&self, max_bytes: u32) -> Result<Option<(u64, Vec<u8>)>, HostError> {
        let (start, end) = self.range.get();
        let Some(rest) = self.lines.as_bytes().get(start..end).filter(|rest| !rest.is_empty()) else { return Ok(None) };
        let most = if max_bytes == 0 { BATCH_BYTES } else { max_bytes as usize };
        let within = rest.get(..most).unwrap_or(rest);
        let length = match within.iter().rposition(|byte| *byte == b'\n') {
            Some(last) => last + 1,
            None => rest.iter().position(|byte| *byte == b'\n').map_or(rest.len(), |first| first + 1),
        };
        let batch = rest.get(..length).unwrap_or(rest).to_vec();
        let first = self.next.get();
        self.next.set(first + lines(&batch));
        self.range.set((start + length, end));
        Ok(Some((first, batch)))
    }
}

/// Counts lines: in pieces whose count fits a byte, which is quick enough not to be seen where analysers are timed.
fn lines(bytes: &[u8]) -> u64 {
    let ends = |piece: &[u8]| piece.iter().map(|byte| u8::from(*byte == b'\n')).sum::<u8>();
    bytes.chunks(u8::MAX.into()).map(|piece| u64::from(ends(piece))).sum()
}

/// What is left of a scripted body.
#[derive(Debug)]
pub(crate) struct Body {
    bytes: Vec<u8>,
}

impl ReadBody for Body {
    fn next(&mut self, most: u64) -> Result<Option<Vec<u8>>, HttpError> {
        let rest = self.bytes.split_off(self.bytes.len().min(most as usize));
        let piece = std::mem::replace(&mut self.bytes, rest);
        Ok(Some(piece).filter(|piece| !piece.is_empty()))
    }
}

/// The scripted rows of a statement.
#[derive(Debug)]
pub(crate) struct Rows {
    world: Rc<World>,
    columns: Vec<Column>,
    rows: RefCell<std::vec::IntoIter<Vec<Value>>>,
}

impl ReadRows for Rows {
    fn columns(&self) -> Vec<Column> {
        self.columns.clone()
    }

    fn next(&self, _max_bytes: u32) -> Result<Option<Vec<u8>>, HostError> {
        let Some(row) = self.rows.borrow_mut().next() else { return Ok(None) };
        self.world.spend(limit::ROWS, 1)?;
        let cells: Vec<String> = row.iter().map(cell).collect();
        Ok(Some(format!("[{}]\n", cells.join(",")).into_bytes()))
    }
}

/// Writes a cell as the host does.
fn cell(value: &Value) -> String {
    use serde_json::json;
    match value {
        Value::Null => json!(null).to_string(),
        Value::Boolean(value) => json!(value).to_string(),
        Value::Integer(value) => json!(value).to_string(),
        Value::Real(value) if value.is_finite() => json!(value).to_string(),
        Value::Real(value) => json!({"$real": if *value > 0.0 { "inf" } else { "-inf" }}).to_string(),
        Value::Text(value) => json!(value).to_string(),
        Value::Blob(value) => json!({"$blob": base64(value)}).to_string(),
    }
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let bits = group.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - group.len()));
        for place in 0..4 {
            let digit = DIGITS.get((bits >> (18 - 6 * place) & 63) as usize).copied().unwrap_or(b'=');
            text.push(if place <= group.len() { char::from(digit) } else { '=' });
        }
    }
    text
}

/// A folder in memory: a path, and the path that it must not leave.
#[derive(Debug)]
pub(crate) struct Directory {
    world: Rc<World>,
    root: String,
    path: String,
}

/// What a resolved path stands for.
enum Found {
    Directory(String),
    Node(Node),
}

impl Directory {
    fn find(&self, path: &str, links: Links) -> Result<Found, FsError> {
        let mut path = join(&self.path, path)?;
        for _ in 0..MAX_LINKS {
            if !is_below(&path, &self.root) {
                return Err(FsError::new(FsErrorKind::Denied, "operation not permitted"));
            }
            match self.world.files.get(&path) {
                Some(Node::Link(target)) if links == Links::Follow => {
                    if target.starts_with('/') {
                        return Err(FsError::new(FsErrorKind::Denied, "operation not permitted"));
                    }
                    let parent = path.rsplit_once('/').map_or("", |(parent, _)| parent);
                    path = join(parent, target)?;
                }
                Some(Node::Denied) => return Err(FsError::new(FsErrorKind::Denied, "permission denied")),
                Some(node) => return Ok(Found::Node(node.clone())),
                None if self.world.files.keys().any(|known| *known != path && is_below(known, &path)) => {
                    return Ok(Found::Directory(path));
                }
                None => return Err(FsError::new(FsErrorKind::NotFound, "no such file or directory")),
            }
        }
        Err(FsError::new(FsErrorKind::Loop, "too many levels of symbolic links"))
    }
}

impl OpenFiles for Directory {
    type File = File;
    type Names = Names;

    fn stat(&self) -> Result<Stat, FsError> {
        Ok(Stat { kind: FileKind::Directory, size: 0 })
    }

    fn stat_at(&self, path: &str, links: Links) -> Result<Stat, FsError> {
        Ok(match self.find(path, links)? {
            Found::Directory(_) => Stat { kind: FileKind::Directory, size: 0 },
            Found::Node(node) => stat(&node),
        })
    }

    fn open_file(&self, path: &str, links: Links) -> Result<File, FsError> {
        match self.find(path, links)? {
            Found::Directory(_) => Err(FsError::new(FsErrorKind::IsADirectory, "is a directory")),
            Found::Node(Node::File(bytes)) => {
                self.world.spend(limit::FILES_READ, 1).map_err(quota)?;
                Ok(File { world: Rc::clone(&self.world), bytes })
            }
            Found::Node(Node::Link(_)) => Err(FsError::new(FsErrorKind::Loop, "is a symbolic link")),
            Found::Node(_) => Err(FsError::new(FsErrorKind::Unsupported, "not a regular file")),
        }
    }

    fn open_directory(&self, path: &str, links: Links) -> Result<Self, FsError> {
        match self.find(path, links)? {
            Found::Directory(path) => Ok(Self { world: Rc::clone(&self.world), root: self.root.clone(), path }),
            Found::Node(_) => Err(FsError::new(FsErrorKind::NotADirectory, "not a directory")),
        }
    }

    fn names(&self) -> Result<Names, FsError> {
        let mut names = BTreeMap::new();
        for (path, node) in &self.world.files {
            let Some(rest) = below(path, &self.path) else { continue };
            match rest.split_once('/') {
                Some((name, _)) => names.insert(name.to_owned(), FileKind::Directory),
                None => names.insert(rest.to_owned(), stat(node).kind),
            };
        }
        // From the end, so that nobody relies on an order that a real folder does not have.
        Ok(Names { names: RefCell::new(names.into_iter().collect()) })
    }
}

fn stat(node: &Node) -> Stat {
    match node {
        Node::File(bytes) => Stat { kind: FileKind::File, size: bytes.len() as u64 },
        Node::Link(target) => Stat { kind: FileKind::Link, size: target.len() as u64 },
        Node::Special => Stat { kind: FileKind::Special, size: 0 },
        Node::Denied => Stat { kind: FileKind::File, size: 0 },
    }
}

fn quota(_: HostError) -> FsError {
    FsError::new(FsErrorKind::LimitExceeded, "a limit of the attempt is used up")
}

/// Makes `./a//b/` to `a/b`. `..` at the start is refused: in memory there is nothing above.
pub(crate) fn clean(path: &str) -> Result<String, FsError> {
    join("", path.trim_start_matches('/'))
}

fn join(folder: &str, path: &str) -> Result<String, FsError> {
    let denied = FsError::new(FsErrorKind::Denied, "operation not permitted");
    if path.starts_with('/') {
        return Err(denied);
    }
    let mut parts: Vec<&str> = Vec::new();
    for part in folder.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop().ok_or(denied)?;
            }
            name => parts.push(name),
        }
    }
    Ok(parts.join("/"))
}

fn is_below(path: &str, folder: &str) -> bool {
    path == folder || below(path, folder).is_some()
}

fn below<'a>(path: &'a str, folder: &str) -> Option<&'a str> {
    if folder.is_empty() {
        return Some(path).filter(|path| !path.is_empty());
    }
    path.strip_prefix(folder)?.strip_prefix('/')
}

#[derive(Debug)]
pub(crate) struct File {
    world: Rc<World>,
    bytes: Rc<[u8]>,
}

impl ReadBytes for File {
    fn stat(&self) -> Result<Stat, FsError> {
        Ok(Stat { kind: FileKind::File, size: self.bytes.len() as u64 })
    }

    fn read(&self, length: u64, offset: u64) -> Result<(Vec<u8>, bool), FsError> {
        let size = self.bytes.len() as u64;
        let start = offset.min(size);
        let end = start.saturating_add(length).min(size);
        self.world.spend(limit::FILE_BYTES_READ, end - start).map_err(quota)?;
        let piece = self.bytes.iter().skip(start as usize).take((end - start) as usize);
        Ok((piece.copied().collect(), end == size))
    }
}

/// A folder in memory that is written to.
#[derive(Debug)]
pub(crate) struct WriteFolder {
    world: Rc<World>,
    path: String,
}

impl WriteFolder {
    /// Where a path leads, the folder itself aside, and what is there.
    fn find(&self, path: &str) -> Result<(String, Option<Written>), FsError> {
        let path = join(&self.path, path)?;
        if below(&path, &self.path).is_none() {
            return Err(FsError::new(FsErrorKind::Denied, "operation not permitted"));
        }
        let written = self.world.written.borrow();
        let above = path.rsplit_once('/').map_or("", |(above, _)| above);
        match written.get(above) {
            Some(Written::File(_)) => Err(FsError::new(FsErrorKind::NotADirectory, "not a directory")),
            None if above != self.path => Err(FsError::new(FsErrorKind::NotFound, "no such file or directory")),
            Some(Written::Folder) | None => Ok((path.clone(), written.get(&path).cloned())),
        }
    }

    fn find_there(&self, path: &str) -> Result<(String, Written), FsError> {
        let (path, found) = self.find(path)?;
        Ok((path, found.ok_or(FsError::new(FsErrorKind::NotFound, "no such file or directory"))?))
    }

    fn create(&self, path: &str, what: Written) -> Result<(), FsError> {
        let (path, found) = self.find(path)?;
        if found.is_some() {
            return Err(FsError::new(FsErrorKind::Exists, "file exists"));
        }
        self.world.spend(limit::FILES_WRITTEN, 1).map_err(quota)?;
        self.world.written.borrow_mut().insert(path, what);
        Ok(())
    }

    fn is_empty(&self, folder: &str) -> bool {
        !self.world.written.borrow().keys().any(|known| below(known, folder).is_some())
    }
}

impl MakeFiles for WriteFolder {
    type NewFile = NewFile;

    fn create_file(&self, path: &str) -> Result<NewFile, FsError> {
        let bytes = Rc::new(RefCell::new(Vec::new()));
        self.create(path, Written::File(Rc::clone(&bytes)))?;
        Ok(NewFile { world: Rc::clone(&self.world), bytes })
    }

    fn create_directory(&self, path: &str) -> Result<(), FsError> {
        self.create(path, Written::Folder)
    }

    fn rename(&self, from: &str, to: &str) -> Result<(), FsError> {
        let (from, moved) = self.find_there(from)?;
        let (to, replaced) = self.find(to)?;
        if from == to {
            return Ok(());
        }
        match (&moved, &replaced) {
            (Written::Folder, _) if below(&to, &from).is_some() => {
                return Err(FsError::new(FsErrorKind::BadName, "invalid argument"));
            }
            (Written::Folder, Some(Written::File(_))) => {
                return Err(FsError::new(FsErrorKind::NotADirectory, "not a directory"));
            }
            (Written::Folder, Some(Written::Folder)) if !self.is_empty(&to) => {
                return Err(FsError::new(FsErrorKind::NotEmpty, "directory not empty"));
            }
            (Written::File(_), Some(Written::Folder)) => {
                return Err(FsError::new(FsErrorKind::IsADirectory, "is a directory"));
            }
            _ => {}
        }
        let mut written = self.world.written.borrow_mut();
        let moved: Vec<String> = written.keys().filter(|path| is_below(path, &from)).cloned().collect();
        for path in moved {
            let rest = below(&path, &from).map_or(String::new(), |rest| format!("/{rest}"));
            if let Some(what) = written.remove(&path) {
                written.insert(format!("{to}{rest}"), what);
            }
        }
        Ok(())
    }

    fn remove_file(&self, path: &str) -> Result<(), FsError> {
        match self.find_there(path)? {
            (path, Written::File(_)) => drop(self.world.written.borrow_mut().remove(&path)),
            (_, Written::Folder) => return Err(FsError::new(FsErrorKind::IsADirectory, "is a directory")),
        }
        Ok(())
    }

    fn remove_directory(&self, path: &str) -> Result<(), FsError> {
        match self.find_there(path)? {
            (path, Written::Folder) if self.is_empty(&path) => drop(self.world.written.borrow_mut().remove(&path)),
            (_, Written::Folder) => return Err(FsError::new(FsErrorKind::NotEmpty, "directory not empty")),
            (_, Written::File(_)) => return Err(FsError::new(FsErrorKind::NotADirectory, "not a directory")),
        }
        Ok(())
    }
}

/// A file in memory that was made.
#[derive(Debug)]
pub(crate) struct NewFile {
    world: Rc<World>,
    bytes: Rc<RefCell<Vec<u8>>>,
}

impl NewFile {
    /// Makes the file at least so long, and counts that as if it were written.
    fn grow(&self, size: u64, written: u64) -> Result<(), FsError> {
        let too_large = |_| FsError::new(FsErrorKind::TooLarge, "file too large");
        let size = usize::try_from(size).map_err(too_large)?;
        let mut bytes = self.bytes.borrow_mut();
        let gap = size.saturating_sub(bytes.len()) as u64;
        self.world.spend(limit::BYTES_WRITTEN, gap.saturating_add(written)).map_err(quota)?;
        if size > bytes.len() {
            bytes.resize(size, 0);
        }
        Ok(())
    }
}

impl WriteBytes for NewFile {
    fn write(&self, bytes: &[u8], offset: u64) -> Result<u64, FsError> {
        self.grow(offset, bytes.len() as u64)?;
        let mut all = self.bytes.borrow_mut();
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let end = start.saturating_add(bytes.len());
        if all.len() < end {
            all.resize(end, 0);
        }
        if let Some(place) = all.get_mut(start..end) {
            place.copy_from_slice(bytes);
        }
        Ok(bytes.len() as u64)
    }

    fn set_size(&self, size: u64) -> Result<(), FsError> {
        self.grow(size, 0)?;
        self.bytes.borrow_mut().truncate(usize::try_from(size).unwrap_or(usize::MAX));
        Ok(())
    }

    fn read(&self, length: u64, offset: u64) -> Result<(Vec<u8>, bool), FsError> {
        let bytes: Rc<[u8]> = self.bytes.borrow().as_slice().into();
        File { world: Rc::clone(&self.world), bytes }.read(length, offset)
    }
}

#[derive(Debug)]
pub(crate) struct Names {
    names: RefCell<Vec<(String, FileKind)>>,
}

impl ListNames for Names {
    fn next(&self) -> Result<Option<(String, FileKind)>, FsError> {
        Ok(self.names.borrow_mut().pop())
    }
}
