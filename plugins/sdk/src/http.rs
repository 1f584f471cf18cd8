//! Owns asking web servers: one request, one answer, whose body is read as it comes.
//!
//! Needs the power `http` ([`Request::http`](crate::Request::http)). Nothing is followed: an answer that sends the reader
//! elsewhere is an answer, and going there is another request, which must be granted too.

use std::fmt;

use crate::{
    Context, Failure, FailureKind,
    host::{self, Host, ReadBody},
};

/// Most bytes of one piece of a body.
const PIECE: u64 = 64 << 10;

/// How a request is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "they are those of HTTP")]
pub enum Method {
    Get,
    Head,
    Post,
    Put,
    Patch,
    Delete,
    Options,
}

/// Returns what stands for a secret in the value of a header. The host puts the secret in its place on the way to the server,
/// if the operator lets this component send it there in that header; else it refuses the request. Where a server sends the
/// secret back, this stands in its place again.
#[must_use]
pub fn secret(name: &str) -> String {
    format!("{{{{secret:{name}}}}}")
}

/// A request, not yet sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    pub(crate) method: Method,
    pub(crate) url: String,
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    pub(crate) body: Vec<u8>,
}

impl Request {
    /// Makes a request of a URL, which begins with `https://` or `http://`.
    pub fn new(method: Method, url: impl Into<String>) -> Self {
        Self { method, url: url.into(), headers: Vec::new(), body: Vec::new() }
    }

    /// Makes a `GET` of a URL.
    pub fn get(url: impl Into<String>) -> Self {
        Self::new(Method::Get, url)
    }

    /// Adds a header. Those that belong to the connection, `host` among them, are the host's.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<Vec<u8>>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Sets the body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Returns its method; of use in tests of a plugin, as are the next ones.
    pub fn method(&self) -> Method {
        self.method
    }

    /// Returns its URL.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Returns its headers.
    pub fn headers(&self) -> &[(String, Vec<u8>)] {
        &self.headers
    }

    /// Returns its body.
    pub fn body_bytes(&self) -> &[u8] {
        &self.body
    }

    /// Sends it and waits for the head of the answer, whatever its status.
    pub fn send(&self, ctx: &Context) -> Result<Response, HttpError> {
        let (status, headers, body) = ctx.host.send(self)?;
        Ok(Response { status, headers, body })
    }
}

/// What a server answered. Dropping it closes the connection.
#[derive(Debug)]
pub struct Response {
    status: u16,
    headers: Vec<(String, Vec<u8>)>,
    body: host::Body,
}

impl Response {
    /// Returns the status, as 200.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// Returns all headers, their names in lower case.
    pub fn headers(&self) -> &[(String, Vec<u8>)] {
        &self.headers
    }

    /// Returns the first header of that name, if it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name))?;
        std::str::from_utf8(value).ok()
    }

    /// Reads the next piece of the body; none at its end.
    pub fn next_piece(&mut self) -> Result<Option<Vec<u8>>, HttpError> {
        self.body.next(PIECE)
    }

    /// Reads the rest of the body. Fails if it has more than `most` bytes: a server may never end.
    pub fn read_all(&mut self, most: usize) -> Result<Vec<u8>, HttpError> {
        let mut all = Vec::new();
        while let Some(piece) = self.next_piece()? {
            if all.len() + piece.len() > most {
                return Err(HttpError::new(HttpErrorKind::TooLong, format!("the answer has more than {most} bytes")));
            }
            all.extend(piece);
        }
        Ok(all)
    }
}

/// What went wrong with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HttpErrorKind {
    /// Nobody allows it.
    Denied,
    /// It can't be sent as it is.
    Invalid,
    /// The body is longer than was asked for.
    TooLong,
    /// The server could not be reached, or did not answer as it should; a retry may help.
    Unavailable,
}

/// Why a request came to nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpError {
    /// What went wrong.
    pub kind: HttpErrorKind,
    /// For people.
    pub message: String,
}

impl HttpError {
    /// Makes the error that the host would give; of use in tests of a plugin.
    pub fn new(kind: HttpErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }
}

impl fmt::Display for HttpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for HttpError {}

impl From<HttpError> for Failure {
    fn from(error: HttpError) -> Self {
        let kind = match error.kind {
            HttpErrorKind::Unavailable => FailureKind::Unavailable,
            HttpErrorKind::Denied | HttpErrorKind::Invalid | HttpErrorKind::TooLong => FailureKind::Failed,
        };
        Failure::new(kind, error.message)
    }
}

/// Parts a URL into scheme, host with port, and path with query; the fragment is the reader's own.
#[cfg(any(target_family = "wasm", test))]
pub(crate) fn parts(url: &str) -> Option<(&str, &str, &str)> {
    let url = url.split('#').next().unwrap_or_default();
    let (scheme, rest) = url.split_once("://")?;
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    Some((scheme, rest.get(..end)?, rest.get(end..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_named_in_braces() {
        assert_eq!(secret("tracker-token"), "{{secret:tracker-token}}");
    }

    #[test]
    fn a_url_has_three_parts() {
        assert_eq!(parts("https://a.example:8443/b?c#d"), Some(("https", "a.example:8443", "/b?c")));
        assert_eq!(parts("http://a.example?c"), Some(("http", "a.example", "?c")));
        assert_eq!(parts("http://a.example"), Some(("http", "a.example", "")));
        assert_eq!(parts("a.example"), None);
    }
}
