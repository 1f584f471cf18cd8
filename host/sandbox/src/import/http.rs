//! `wasi:http`: asking the web servers that were granted. Needs the power `http`.
//!
//! This file decides and bounds: each request by its method and origin before anything of it leaves, each connection by
//! the address that it really goes to, each secret by where it is sent. Nothing is followed: what a server answers, a redirect too, goes to the guest,
//! whose next request is one of its own. `http/send.rs` speaks to the server, `http/connection.rs` finds it.

mod address;
mod bindings;
mod connection;
mod counted;
mod scrub;
mod secrets;
mod send;

use crate::cost::Work;
use crate::meter::Total;
use crate::state::{Ended, Host};
use bindings::outgoing_handler;
use connection::Connecting;
use hyper::header::{HOST, HeaderMap};
use hyper::http::uri::PathAndQuery;
use palisade_authority::{Method, Origin, Scheme, Use};
use palisade_model::Failure;
use palisade_net::{Key, Roots, Tls, TlsError};
use scrub::Patterns;
use send::{Outgoing, Patience, send};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use wasmtime::component::{HasSelf, Linker, Resource};
use wasmtime_wasi::runtime::spawn;
use wasmtime_wasi_http::p2::bindings::http::types::{self, ErrorCode};
use wasmtime_wasi_http::p2::bindings::{LinkOptions, http};
use wasmtime_wasi_http::p2::types::{HostFutureIncomingResponse, HostOutgoingRequest};
use wasmtime_wasi_http::{
    Error, RequestOptions, WasiBody, WasiHttp, WasiHttpCtx, WasiHttpCtxView, WasiHttpHooks, WasiHttpView,
};

use counted::{Counting, Reached};

/// Most bytes of the headers of one request, as the host holds them. With the limit on handles it bounds what a guest can
/// make the host hold.
const MAX_FIELDS: usize = 16 << 10;

/// Most bytes of one write to a body.
const MAX_WRITE: usize = 64 << 10;

/// Bytes that an open connection holds in the host, roughly: what is buffered on both ways, and TLS.
const HELD: u64 = 256 << 10;

/// Most certificates that were refused and are told of.
const MAX_TOLD: usize = 8;

/// How long a request may wait for a connection, for the first byte of its answer and between two bytes, unless the guest
/// says less. The wall of the attempt is above all of them.
const PATIENCE: Duration = Duration::from_secs(60);

/// What an instance has of HTTP; made when the first function of it is called.
pub(crate) struct Web {
    ctx: WasiHttpCtx,
    hooks: Hooks,
    /// Made with the first request that needs it. An instance's own: sessions that it resumes tell nothing of others.
    tls: Option<Tls>,
    /// Shared with every connection that is open.
    alive: Arc<()>,
    /// Bytes that are counted as held for them.
    held: u64,
    /// A limit that was reached while bytes went to and fro, outside of any call of the guest.
    reached: Reached,
    /// What is taken out of answers; an inner none = there are no secrets. Made with the first request.
    patterns: Option<Option<Arc<Patterns>>>,
}

type Ending = Box<dyn Future<Output = Result<(), Error>> + Send>;

/// Bounds what is written, and keeps what people should know of certificates; nothing is sent through it.
#[derive(Default)]
struct Hooks {
    refused: Vec<String>,
}

impl WasiHttpHooks for Hooks {
    fn send_request(
        &mut self,
        _request: hyper::Request<WasiBody>,
        _options: Option<RequestOptions>,
        _ended: Ending,
    ) -> Box<dyn Future<Output = Result<(hyper::Response<WasiBody>, Ending), Error>> + Send> {
        Box::new(async { Err(Error::HttpRequestDenied) })
    }

    fn p2_error_from_tls(&mut self, error: &io::Error) -> ErrorCode {
        match error.get_ref().and_then(|error| error.downcast_ref()) {
            Some(error @ TlsError::Certificate { .. }) => {
                if self.refused.len() < MAX_TOLD {
                    self.refused.push(error.to_string());
                }
                ErrorCode::TlsCertificateError
            }
            _ => ErrorCode::TlsProtocolError,
        }
    }

    fn p2_outgoing_body_chunk_size(&mut self) -> usize {
        MAX_WRITE
    }
}

impl Web {
    fn new() -> Self {
        let mut ctx = WasiHttpCtx::new();
        ctx.set_field_size_limit(MAX_FIELDS);
        Self {
            ctx,
            hooks: Hooks::default(),
            tls: None,
            alive: Arc::new(()),
            held: 0,
            reached: Reached::default(),
            patterns: None,
        }
    }

    fn tls(&mut self, roots: &Roots) -> io::Result<Tls> {
        if let Some(tls) = &self.tls {
            return Ok(tls.clone());
        }
        Ok(self.tls.insert(Tls::new(roots)?).clone())
    }

    fn patterns(&mut self, secrets: &[(String, Key)]) -> Option<Arc<Patterns>> {
        self.patterns.get_or_insert_with(|| Patterns::of(secrets)).clone()
    }

    /// What people should know of certificates that were refused.
    pub(crate) fn take_refused(&mut self) -> Vec<String> {
        std::mem::take(&mut self.hooks.refused)
    }

    /// The failure of the attempt, if a limit was reached while bytes went to and fro.
    pub(crate) fn take_reached(&self) -> Option<Failure> {
        self.reached.take()
    }
}

pub(crate) fn add_to_linker(linker: &mut Linker<Host>) -> wasmtime::Result<()> {
    let options = LinkOptions::default();
    http::types::add_to_linker::<_, WasiHttp>(linker, &(&options).into(), Host::http)?;
    outgoing_handler::add_to_linker::<_, HasSelf<_>>(linker, |host| host)
}

impl WasiHttpView for Host {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        // What is linked as wasmtime-wasi-http has it comes through here and charges nothing itself.
        self.charge(Work::Fields, 0);
        let web = self.web.get_or_insert_with(Web::new);
        WasiHttpCtxView { hooks: &mut web.hooks, table: &mut self.table, ctx: &mut web.ctx }
    }
}

impl outgoing_handler::Host for Host {
    fn handle(
        &mut self,
        request: Resource<HostOutgoingRequest>,
        options: Option<Resource<RequestOptions>>,
    ) -> wasmtime::Result<Result<Resource<HostFutureIncomingResponse>, ErrorCode>> {
        self.charge(Work::Request, 0);
        let options = options.map(|options| self.table.delete(options)).transpose()?;
        let request = self.table.delete(request)?;
        let Some(run) = self.granted.as_ref().map(|granted| Arc::clone(&granted.run)) else {
            return Ok(Err(ErrorCode::HttpRequestDenied));
        };
        let (outgoing, connecting) = match self.decide(request, options.unwrap_or(NO_OPTIONS))? {
            Ok(decided) => decided,
            Err(refused) => return Ok(Err(refused)),
        };
        let reached = self.web.get_or_insert_with(Web::new).reached.clone();
        let patience = Patience { each: PATIENCE, deadline: self.meter.deadline() };
        let counting = Counting { meter: Arc::clone(&self.meter), run, reached };
        let answer = spawn(send(outgoing, connecting, counting, patience));
        Ok(Ok(self.push(HostFutureIncomingResponse::Pending(answer))?))
    }
}

impl Host {
    /// Decides about a request and about each address to which it may go; nothing has left before.
    fn decide(
        &mut self,
        request: HostOutgoingRequest,
        options: RequestOptions,
    ) -> wasmtime::Result<Result<(Outgoing, Connecting), ErrorCode>> {
        let Asked { method, origin, path } = match asked(&request) {
            Ok(asked) => asked,
            Err(refused) => return Ok(Err(refused)),
        };
        let Some(granted) = self.granted.clone() else { return Ok(Err(ErrorCode::HttpRequestDenied)) };
        if self.authorise(&Use::Http { method, origin: origin.clone(), private: None }).is_err() {
            return Ok(Err(ErrorCode::HttpRequestDenied));
        }
        let wanted = match self.secrets_of(&request.headers, &path, &origin) {
            Ok(wanted) => wanted,
            Err(refused) => return Ok(Err(refused)),
        };
        if let Err(limit) = self.spend(Total::HttpRequests, 1) {
            return Ok(Err(ErrorCode::InternalError(Some(limit.message))));
        }
        // Waiting for the resolver blocks this guest and nobody else.
        let addresses = match connection::find(&granted.network, &origin, self.meter.deadline()) {
            Ok(addresses) => addresses,
            Err(unknown) => return Ok(Err(unknown)),
        };
        for address in addresses.iter().map(SocketAddr::ip) {
            if address::is_public(address) || connection::is_named(&origin, address) {
                continue;
            }
            // One address that is not allowed spoils all: who answers for the name must not choose among them.
            if self.authorise(&Use::Http { method, origin: origin.clone(), private: Some(address) }).is_err() {
                return Ok(Err(ErrorCode::HttpRequestDenied));
            }
        }
        let alive = self.hold_one_more()?;
        let tls = match origin.scheme() {
            Scheme::Http => None,
            Scheme::Https => Some(self.web.get_or_insert_with(Web::new).tls(granted.network.roots())?),
        };
        let HostOutgoingRequest { headers, body, .. } = request;
        let mut headers = headers_of(headers.into(), &origin);
        // Nothing is left to decide.
        if let Err(refused) = secrets::fill(&mut headers, &wanted, &granted.secrets) {
            return Ok(Err(refused));
        }
        // A server may have kept what an earlier request had: all are looked for, whatever this one has.
        let patterns = self.web.get_or_insert_with(Web::new).patterns(&granted.secrets);
        let outgoing = Outgoing { method, path, headers, body, options, patterns };
        Ok(Ok((outgoing, Connecting { origin, addresses, tls, alive })))
    }

    /// Counts what one more connection holds, and lets go of what those held that were closed since; gives what it has to
    /// keep while it is open.
    fn hold_one_more(&mut self) -> Result<Arc<()>, Ended> {
        let web = self.web.get_or_insert_with(Web::new);
        let alive = Arc::clone(&web.alive);
        // All but the one that is kept for counting.
        let held = HELD.saturating_mul(Arc::strong_count(&alive).saturating_sub(1) as u64);
        self.limiter.release(web.held);
        web.held = 0;
        self.limiter.hold(held)?;
        web.held = held;
        Ok(alive)
    }
}

const NO_OPTIONS: RequestOptions =
    RequestOptions { connect_timeout: None, first_byte_timeout: None, between_bytes_timeout: None };

/// A request in the form in which it is decided about.
struct Asked {
    method: Method,
    origin: Origin,
    path: PathAndQuery,
}

/// What a request asks for. What could be read in two ways is refused before it is asked who may.
fn asked(request: &HostOutgoingRequest) -> Result<Asked, ErrorCode> {
    let method = match &request.method {
        types::Method::Get => Method::Get,
        types::Method::Head => Method::Head,
        types::Method::Post => Method::Post,
        types::Method::Put => Method::Put,
        types::Method::Patch => Method::Patch,
        types::Method::Delete => Method::Delete,
        types::Method::Options => Method::Options,
        types::Method::Connect | types::Method::Trace | types::Method::Other(_) => {
            return Err(ErrorCode::HttpRequestMethodInvalid);
        }
    };
    let scheme = match &request.scheme {
        Some(types::Scheme::Https) | None => Scheme::Https,
        Some(types::Scheme::Http) => Scheme::Http,
        Some(types::Scheme::Other(_)) => return Err(ErrorCode::HttpProtocolError),
    };
    let authority = request.authority.as_deref().unwrap_or_default();
    let origin = Origin::of_authority(scheme, authority).map_err(|_| ErrorCode::HttpRequestUriInvalid)?;
    let path = match request.path_with_query.as_deref() {
        None | Some("") => "/".to_owned(),
        Some(query) if query.starts_with('?') => format!("/{query}"),
        Some(path) if path.starts_with('/') => path.to_owned(),
        Some(_) => return Err(ErrorCode::HttpRequestUriInvalid),
    };
    let path = PathAndQuery::try_from(path).map_err(|_| ErrorCode::HttpRequestUriInvalid)?;
    Ok(Asked { method, origin, path })
}

/// The headers as they are sent: the host that was decided about, whatever else was asked for.
fn headers_of(mut headers: HeaderMap, origin: &Origin) -> HeaderMap {
    let text = origin.to_string();
    let host = text.split_once("://").map_or("", |(_, host)| host);
    if let Ok(host) = host.parse() {
        headers.insert(HOST, host);
    }
    headers
}
