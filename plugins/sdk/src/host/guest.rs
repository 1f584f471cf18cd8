//! Owns the host of a component: the WIT bindings of world `everything`, and the conversions to and from them.
//!
//! Compiled for wasm only. Functions that nobody calls vanish from the component, imports included.

use std::{marker::PhantomData, panic};

use self::bindings::{
    exports::palisade::plugin::{manifest, step},
    palisade::plugin::{
        artifacts, attempt, limits, llm as wit_llm, log, runbooks as wit_runbooks, sql as wit_sql, tools as wit_tools,
        types,
    },
    wasi::filesystem::{preopens, types as wasi},
    wasi::http::{outgoing_handler, types as wasi_http},
    wasi::io::streams::{InputStream, StreamError},
};
use super::{Answered, Host, ListNames, MakeFiles, OpenFiles, ReadBody, ReadBytes, ReadItems, ReadRows, WriteBytes};
use crate::{
    Analyser, Context, Description, Failure, FailureKind, HostError, HostErrorKind, Level, analyser,
    description::{self, Arity},
    fs::{FileKind, FsError, FsErrorKind, Links, Stat},
    http::{self, HttpError, HttpErrorKind, Method},
    llm::{Answer, Finish, Message, Question, Role, Usage},
    reader::Info,
    runbooks::{Submitted, Wrong},
    sql::{Column, Value},
    tools::{Call, Items, Tool, ToolPort},
};

/// What `wit-bindgen` makes of the WIT package.
pub mod bindings {
    #![expect(missing_docs, reason = "generated code")]

    wit_bindgen::generate!({
        path: "wit",
        world: "everything",
        generate_all,
        pub_export_macro: true,
        default_bindings_module: "palisade_sdk::bindings",
    });

    pub use super::Export;
}

/// Carries an analyser to the export macro of the bindings.
#[derive(Debug)]
pub struct Export<A>(PhantomData<A>);

impl<A: Analyser> manifest::Guest for Export<A> {
    fn describe() -> manifest::Description {
        log_panics();
        describe(A::describe())
    }
}

impl<A: Analyser> step::Guest for Export<A> {
    fn run(inputs: Vec<step::Input>, config: String) -> Result<Vec<u8>, step::Failure> {
        log_panics();
        let readers =
            inputs.into_iter().map(|input| crate::Reader::new(input.port, Reader { inner: input.items })).collect();
        analyser::run::<A>(&Context::new(Guest, readers), &config).map_err(failure)
    }

    fn finish(partials: Vec<Vec<u8>>, config: String) -> Result<Vec<step::OutputMetadata>, step::Failure> {
        log_panics();
        let metadata = analyser::finish::<A>(&Context::new(Guest, Vec::new()), &config, &partials).map_err(failure)?;
        Ok(metadata.into_iter().map(|one| step::OutputMetadata { port: one.port, json: one.json }).collect())
    }
}

/// Makes the text and place of a panic a log line: the trap that follows tells the host neither.
fn log_panics() {
    panic::set_hook(Box::new(|panic| log::write(log::Level::Error, &panic.to_string())));
}

/// The host of a component. Holds nothing: the bindings are functions.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Guest;

impl Host for Guest {
    fn log(&self, level: Level, message: &str) {
        let level = match level {
            Level::Trace => log::Level::Trace,
            Level::Debug => log::Level::Debug,
            Level::Info => log::Level::Info,
            Level::Warn => log::Level::Warn,
            Level::Error => log::Level::Error,
        };
        log::write(level, message);
    }

    fn progress(&self, done: u64, total: Option<u64>, note: &str) {
        log::progress(done, total, note);
    }

    fn skip(&self, what: &str, reason: &str) {
        log::skip(what, reason);
    }

    fn limits(&self) -> Vec<(String, u64)> {
        limits::granted().into_iter().map(|amount| (amount.name, amount.value)).collect()
    }

    fn idempotency_key(&self) -> String {
        attempt::idempotency_key()
    }

    fn emit(&self, port: &str, items: &[u8]) -> Result<(), HostError> {
        artifacts::emit(port, items).map_err(host_error)
    }

    fn check_input(&self, _port: &str) -> Result<(), HostError> {
        Ok(())
    }

    fn preopens(&self) -> Vec<(String, Directory)> {
        preopens::get_directories().into_iter().map(|(inner, name)| (name, Directory { inner })).collect()
    }

    fn write_folders(&self) -> Vec<(String, WriteFolder)> {
        let is_written = |folder: &wasi::Descriptor| {
            folder.get_flags().is_ok_and(|flags| flags.contains(wasi::DescriptorFlags::MUTATE_DIRECTORY))
        };
        let folders = preopens::get_directories().into_iter().filter(|(folder, _)| is_written(folder));
        folders.map(|(inner, name)| (name, WriteFolder { inner })).collect()
    }

    fn query(&self, connection: &str, statement: &str, parameters: &[Value]) -> Result<Rows, HostError> {
        let parameters: Vec<_> = parameters
            .iter()
            .map(|value| match value {
                Value::Null => wit_sql::Value::Null,
                Value::Boolean(value) => wit_sql::Value::Boolean(*value),
                Value::Integer(value) => wit_sql::Value::Integer(*value),
                Value::Real(value) => wit_sql::Value::Real(*value),
                Value::Text(value) => wit_sql::Value::Text(value.clone()),
                Value::Blob(value) => wit_sql::Value::Blob(value.clone()),
            })
            .collect();
        wit_sql::query(connection, statement, &parameters).map(|inner| Rows { inner }).map_err(host_error)
    }

    fn tools(&self) -> Vec<Tool> {
        let tools = wit_tools::available().into_iter();
        let ports = |ports: Vec<wit_tools::ToolPort>| ports.into_iter().map(tool_port).collect();
        tools
            .map(|tool| Tool {
                id: tool.id,
                title: tool.title,
                description: tool.description,
                config_schema: tool.config_schema,
                inputs: ports(tool.inputs),
                outputs: ports(tool.outputs),
            })
            .collect()
    }

    fn call_tool(&self, call: &Call<'_>) -> Result<Vec<(String, Reader)>, HostError> {
        let arguments: Vec<_> = call
            .arguments
            .iter()
            .map(|argument| wit_tools::Argument {
                port: argument.port.clone(),
                items: match &argument.items {
                    Items::Lines(lines) => wit_tools::Items::Lines(lines.clone()),
                    Items::Artifact(reader) => wit_tools::Items::Artifact(&reader.inner),
                },
            })
            .collect();
        let make = if call.hands_over { wit_tools::hand_over } else { wit_tools::call };
        let made = make(&call.id, &call.config, &arguments).map_err(host_error)?;
        Ok(made.into_iter().map(|output| (output.port, Reader { inner: output.items })).collect())
    }

    fn most_runbooks(&self) -> u32 {
        wit_runbooks::most()
    }

    fn submit(&self, definition: &str, inputs: &[(String, &Reader)]) -> Result<Submitted, HostError> {
        let inputs: Vec<_> = inputs
            .iter()
            .map(|(name, reader)| wit_runbooks::Input { name: name.clone(), items: &reader.inner })
            .collect();
        let wrong = |wrong: wit_runbooks::Diagnostic| {
            let wit_runbooks::Diagnostic { code, line, message, help } = wrong;
            Wrong { code, line, message, help }
        };
        Ok(match wit_runbooks::submit(definition, &inputs).map_err(host_error)? {
            wit_runbooks::Outcome::Done(made) => {
                Submitted::Done(made.into_iter().map(|output| (output.name, Reader { inner: output.items })).collect())
            }
            wit_runbooks::Outcome::Refused(all) => Submitted::Refused(all.into_iter().map(wrong).collect()),
            wit_runbooks::Outcome::Rejected(words) => Submitted::Rejected(words),
            wit_runbooks::Outcome::Failed(words) => Submitted::Failed(words),
        })
    }

    fn ask_model(&self, question: &Question) -> Result<Answer, HostError> {
        let message = |message: &Message| wit_llm::Message {
            role: match message.role {
                Role::System => wit_llm::Role::System,
                Role::User => wit_llm::Role::User,
                Role::Assistant => wit_llm::Role::Assistant,
            },
            content: message.content.clone(),
        };
        let wit_llm::Answer { content, finish, usage } = wit_llm::complete(&wit_llm::Request {
            model: question.model.clone(),
            messages: question.messages.iter().map(message).collect(),
            output_schema: question.output_schema.clone(),
            max_output_tokens: question.max_output_tokens,
        })
        .map_err(host_error)?;
        let finish = match finish {
            wit_llm::Finish::Complete => Finish::Complete,
            wit_llm::Finish::CutOff => Finish::CutOff,
            wit_llm::Finish::Refused => Finish::Refused,
        };
        let wit_llm::Usage { calls, tokens, cost } = usage;
        Ok(Answer { content, finish, usage: Usage { calls, tokens, cost } })
    }

    fn send(&self, request: &http::Request) -> Result<Answered, HttpError> {
        let invalid = |what: &str| HttpError::new(HttpErrorKind::Invalid, format!("the request has {what}"));
        let (scheme, authority, path) = http::parts(&request.url).ok_or_else(|| invalid("no whole URL"))?;
        let mut headers = request.headers.clone();
        if !request.body.is_empty() {
            headers.push(("content-length".to_owned(), request.body.len().to_string().into_bytes()));
        }
        let fields = wasi_http::Fields::from_list(&headers).map_err(|_| invalid("a header that can't be sent"))?;
        let sent = wasi_http::OutgoingRequest::new(fields);
        let scheme = match scheme {
            "https" => wasi_http::Scheme::Https,
            "http" => wasi_http::Scheme::Http,
            other => wasi_http::Scheme::Other(other.to_owned()),
        };
        sent.set_method(&method(request.method)).map_err(|()| invalid("an unknown method"))?;
        sent.set_scheme(Some(&scheme)).map_err(|()| invalid("an unknown scheme"))?;
        sent.set_authority(Some(authority)).map_err(|()| invalid("a host that can't be used"))?;
        sent.set_path_with_query(Some(path)).map_err(|()| invalid("a path that can't be used"))?;
        // Without one that is taken, the host knows that there is none, and says so to the server.
        let body = match request.body.is_empty() {
            true => None,
            false => Some(sent.body().map_err(|()| invalid("a body that can't be sent"))?),
        };
        let answer = outgoing_handler::handle(sent, None).map_err(|code| match code {
            wasi_http::ErrorCode::HttpProtocolError => invalid("an unknown scheme"),
            other => http_error(other),
        })?;
        // A server may answer, and close, before it has read all: what it says counts.
        let written = body.map_or(Ok(()), |body| write(body, &request.body));
        answer.subscribe().block();
        let answered = answer.get().and_then(Result::ok);
        let response = answered.unwrap_or(Err(wasi_http::ErrorCode::HttpResponseIncomplete)).map_err(http_error)?;
        written?;
        let unread = |()| http_error(wasi_http::ErrorCode::HttpResponseIncomplete);
        let body = response.consume().map_err(unread)?;
        let stream = body.stream().map_err(unread)?;
        Ok((response.status(), response.headers().entries(), Body { stream, _body: body }))
    }
}

fn tool_port(port: wit_tools::ToolPort) -> ToolPort {
    ToolPort { name: port.name, schemas: port.schemas, description: port.description }
}

fn method(method: Method) -> wasi_http::Method {
    match method {
        Method::Get => wasi_http::Method::Get,
        Method::Head => wasi_http::Method::Head,
        Method::Post => wasi_http::Method::Post,
        Method::Put => wasi_http::Method::Put,
        Method::Patch => wasi_http::Method::Patch,
        Method::Delete => wasi_http::Method::Delete,
        Method::Options => wasi_http::Method::Options,
    }
}

/// Writes a whole body, in pieces of the size that one blocking write takes.
fn write(body: wasi_http::OutgoingBody, bytes: &[u8]) -> Result<(), HttpError> {
    let broken = || HttpError::new(HttpErrorKind::Unavailable, "the connection broke while the request was sent");
    let stream = body.write().map_err(|()| broken())?;
    for piece in bytes.chunks(4_096) {
        stream.blocking_write_and_flush(piece).map_err(|_| broken())?;
    }
    drop(stream);
    wasi_http::OutgoingBody::finish(body, None).map_err(http_error)
}

fn http_error(code: wasi_http::ErrorCode) -> HttpError {
    use wasi_http::ErrorCode as Code;
    let kind = match &code {
        Code::HttpRequestDenied => HttpErrorKind::Denied,
        Code::HttpRequestMethodInvalid | Code::HttpRequestUriInvalid => HttpErrorKind::Invalid,
        _ => HttpErrorKind::Unavailable,
    };
    let message = match &code {
        Code::HttpRequestDenied => "not allowed".to_owned(),
        Code::InternalError(Some(message)) => message.clone(),
        Code::DnsTimeout | Code::DnsError(_) => "the name of the server could not be looked up".to_owned(),
        Code::ConnectionRefused | Code::DestinationUnavailable => "the server could not be reached".to_owned(),
        Code::ConnectionTimeout => "the server could not be reached in time".to_owned(),
        Code::ConnectionReadTimeout => "the server was silent for too long".to_owned(),
        Code::ConnectionTerminated | Code::HttpResponseIncomplete => "the server broke off".to_owned(),
        Code::TlsProtocolError | Code::TlsCertificateError | Code::TlsAlertReceived(_) => {
            "there is no secure connection to the server".to_owned()
        }
        other => format!("the request failed: {other:?}"),
    };
    HttpError::new(kind, message)
}

/// The body of an answer. The stream goes before the body whose it is.
#[derive(Debug)]
pub(crate) struct Body {
    stream: InputStream,
    _body: wasi_http::IncomingBody,
}

impl ReadBody for Body {
    fn next(&mut self, most: u64) -> Result<Option<Vec<u8>>, HttpError> {
        loop {
            match self.stream.blocking_read(most) {
                Ok(bytes) if bytes.is_empty() => {}
                Ok(bytes) => return Ok(Some(bytes)),
                Err(StreamError::Closed) => return Ok(None),
                Err(StreamError::LastOperationFailed(error)) => {
                    let code = wasi_http::http_error_code(&error);
                    return Err(http_error(code.unwrap_or(wasi_http::ErrorCode::HttpResponseIncomplete)));
                }
            }
        }
    }
}

#[derive(Debug)]
pub(crate) struct Reader {
    inner: artifacts::Reader,
}

impl ReadItems for Reader {
    fn info(&self) -> Info {
        let artifacts::Info { schema, item_count, byte_count, metadata } = self.inner.info();
        let (schema, version) = schema.rsplit_once('/').unwrap_or((&schema, ""));
        Info { schema: schema.to_owned(), version: version.to_owned(), item_count, byte_count, metadata }
    }

    fn next(&self, max_bytes: u32) -> Result<Option<(u64, Vec<u8>)>, HostError> {
        let batch = self.inner.next(max_bytes).map_err(host_error)?;
        Ok(batch.map(|batch| (batch.first, batch.items)))
    }
}

#[derive(Debug)]
pub(crate) struct Rows {
    inner: wit_sql::Rows,
}

impl ReadRows for Rows {
    fn columns(&self) -> Vec<Column> {
        let columns = self.inner.columns().into_iter();
        columns.map(|column| Column { name: column.name, declared_type: column.declared_type }).collect()
    }

    fn next(&self, max_bytes: u32) -> Result<Option<Vec<u8>>, HostError> {
        self.inner.next(max_bytes).map_err(host_error)
    }
}

#[derive(Debug)]
pub(crate) struct Directory {
    inner: wasi::Descriptor,
}

impl Directory {
    fn open(&self, path: &str, links: Links, open: wasi::OpenFlags) -> Result<wasi::Descriptor, FsError> {
        self.inner.open_at(path_flags(links), path, open, wasi::DescriptorFlags::READ).map_err(fs_error)
    }
}

impl OpenFiles for Directory {
    type File = File;
    type Names = Names;

    fn stat(&self) -> Result<Stat, FsError> {
        self.inner.stat().map(stat).map_err(fs_error)
    }

    fn stat_at(&self, path: &str, links: Links) -> Result<Stat, FsError> {
        self.inner.stat_at(path_flags(links), path).map(stat).map_err(fs_error)
    }

    fn open_file(&self, path: &str, links: Links) -> Result<File, FsError> {
        Ok(File { inner: self.open(path, links, wasi::OpenFlags::empty())? })
    }

    fn open_directory(&self, path: &str, links: Links) -> Result<Self, FsError> {
        Ok(Self { inner: self.open(path, links, wasi::OpenFlags::DIRECTORY)? })
    }

    fn names(&self) -> Result<Names, FsError> {
        Ok(Names { inner: self.inner.read_directory().map_err(fs_error)? })
    }
}

#[derive(Debug)]
pub(crate) struct File {
    inner: wasi::Descriptor,
}

impl ReadBytes for File {
    fn stat(&self) -> Result<Stat, FsError> {
        self.inner.stat().map(stat).map_err(fs_error)
    }

    fn read(&self, length: u64, offset: u64) -> Result<(Vec<u8>, bool), FsError> {
        self.inner.read(length, offset).map_err(fs_error)
    }
}

#[derive(Debug)]
pub(crate) struct WriteFolder {
    inner: wasi::Descriptor,
}

impl MakeFiles for WriteFolder {
    type NewFile = NewFile;

    fn create_file(&self, path: &str) -> Result<NewFile, FsError> {
        let open = wasi::OpenFlags::CREATE | wasi::OpenFlags::EXCLUSIVE;
        let flags = wasi::DescriptorFlags::READ | wasi::DescriptorFlags::WRITE;
        let inner = self.inner.open_at(wasi::PathFlags::empty(), path, open, flags).map_err(fs_error)?;
        Ok(NewFile { inner })
    }

    fn create_directory(&self, path: &str) -> Result<(), FsError> {
        self.inner.create_directory_at(path).map_err(fs_error)
    }

    fn rename(&self, from: &str, to: &str) -> Result<(), FsError> {
        self.inner.rename_at(from, &self.inner, to).map_err(fs_error)
    }

    fn remove_file(&self, path: &str) -> Result<(), FsError> {
        self.inner.unlink_file_at(path).map_err(fs_error)
    }

    fn remove_directory(&self, path: &str) -> Result<(), FsError> {
        self.inner.remove_directory_at(path).map_err(fs_error)
    }
}

#[derive(Debug)]
pub(crate) struct NewFile {
    inner: wasi::Descriptor,
}

impl WriteBytes for NewFile {
    fn write(&self, bytes: &[u8], offset: u64) -> Result<u64, FsError> {
        self.inner.write(bytes, offset).map_err(fs_error)
    }

    fn set_size(&self, size: u64) -> Result<(), FsError> {
        self.inner.set_size(size).map_err(fs_error)
    }

    fn read(&self, length: u64, offset: u64) -> Result<(Vec<u8>, bool), FsError> {
        self.inner.read(length, offset).map_err(fs_error)
    }
}

#[derive(Debug)]
pub(crate) struct Names {
    inner: wasi::DirectoryEntryStream,
}

impl ListNames for Names {
    fn next(&self) -> Result<Option<(String, FileKind)>, FsError> {
        let entry = self.inner.read_directory_entry().map_err(fs_error)?;
        Ok(entry.map(|entry| (entry.name, kind(entry.type_))))
    }
}

fn path_flags(links: Links) -> wasi::PathFlags {
    match links {
        Links::Follow => wasi::PathFlags::SYMLINK_FOLLOW,
        Links::Keep => wasi::PathFlags::empty(),
    }
}

fn stat(stat: wasi::DescriptorStat) -> Stat {
    Stat { kind: kind(stat.type_), size: stat.size }
}

fn kind(kind: wasi::DescriptorType) -> FileKind {
    match kind {
        wasi::DescriptorType::RegularFile => FileKind::File,
        wasi::DescriptorType::Directory => FileKind::Directory,
        wasi::DescriptorType::SymbolicLink => FileKind::Link,
        _ => FileKind::Special,
    }
}

fn fs_error(code: wasi::ErrorCode) -> FsError {
    use wasi::ErrorCode as Code;
    let kind = match code {
        Code::Access | Code::NotPermitted | Code::ReadOnly => FsErrorKind::Denied,
        Code::NoEntry => FsErrorKind::NotFound,
        Code::Exist => FsErrorKind::Exists,
        Code::NotEmpty => FsErrorKind::NotEmpty,
        Code::NotDirectory => FsErrorKind::NotADirectory,
        Code::IsDirectory => FsErrorKind::IsADirectory,
        Code::FileTooLarge => FsErrorKind::TooLarge,
        Code::IllegalByteSequence | Code::NameTooLong | Code::Invalid => FsErrorKind::BadName,
        Code::Loop => FsErrorKind::Loop,
        Code::Quota => FsErrorKind::LimitExceeded,
        Code::Unsupported | Code::NoDevice | Code::NoSuchDevice | Code::NoTty | Code::Pipe => FsErrorKind::Unsupported,
        Code::Io | Code::Interrupted | Code::WouldBlock | Code::Busy => FsErrorKind::Io,
        _ => FsErrorKind::Other,
    };
    FsError::new(kind, code.message())
}

fn host_error(error: types::Error) -> HostError {
    let kind = match error.kind {
        types::ErrorKind::Denied => HostErrorKind::Denied,
        types::ErrorKind::LimitExceeded => HostErrorKind::LimitExceeded,
        types::ErrorKind::Invalid => HostErrorKind::Invalid,
        types::ErrorKind::SchemaMismatch => HostErrorKind::SchemaMismatch,
        types::ErrorKind::Unavailable => HostErrorKind::Unavailable,
        types::ErrorKind::Cancelled => HostErrorKind::Cancelled,
        types::ErrorKind::Other => HostErrorKind::Other,
    };
    HostError { kind, message: error.message }
}

fn failure(failure: Failure) -> step::Failure {
    let kind = match failure.kind {
        FailureKind::BadConfig => step::FailureKind::BadConfig,
        FailureKind::BadInput => step::FailureKind::BadInput,
        FailureKind::Unavailable => step::FailureKind::Unavailable,
        FailureKind::Failed => step::FailureKind::Failed,
    };
    let at = failure.at.map(|place| step::Place { port: place.port, item: place.item });
    step::Failure { kind, message: failure.message, at, help: failure.help }
}

fn describe(description: Description) -> manifest::Description {
    let kind = description.kind.to_owned();
    manifest::Description {
        id: description.id,
        version: description.version,
        title: description.title,
        description: description.about,
        kind,
        inputs: description.inputs.into_iter().map(input).collect(),
        outputs: description.outputs.into_iter().map(output).collect(),
        config_schema: description.config_schema,
        schemas: description.schemas.into_iter().map(schema).collect(),
        requests: description.requests.into_iter().map(request).collect(),
        limits: description.limits.into_iter().map(|(name, value)| types::Amount { name, value }).collect(),
        attributes: attributes(description.attributes),
    }
}

fn input(port: description::Input) -> manifest::Port {
    let arity = match port.arity {
        Arity::One => manifest::Arity::One,
        Arity::Optional => manifest::Arity::Optional,
        Arity::Many => manifest::Arity::Many,
    };
    manifest::Port {
        name: port.name,
        schemas: port.schemas,
        arity,
        per_item: port.per_item,
        ruleset: port.ruleset,
        description: port.about,
        attributes: attributes(port.attributes),
    }
}

fn output(port: description::Output) -> manifest::Port {
    manifest::Port {
        name: port.name,
        schemas: vec![port.schema],
        arity: manifest::Arity::One,
        per_item: false,
        ruleset: None,
        description: port.about,
        attributes: attributes(port.attributes),
    }
}

fn schema(schema: description::ArtifactSchema) -> manifest::Schema {
    manifest::Schema { name: schema.name, version: schema.version, json: schema.json }
}

fn request(request: description::Request) -> manifest::Request {
    manifest::Request {
        power: request.power,
        scopes: request.scopes,
        reason: request.reason,
        optional: request.optional,
    }
}

fn attributes(attributes: Vec<(String, String)>) -> Vec<manifest::Attribute> {
    attributes.into_iter().map(|(name, value)| manifest::Attribute { name, value }).collect()
}
