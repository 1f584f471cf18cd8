//! The databases of servers that the operator set up, by their names. Each is opened when it is needed.

use crate::error::QueryError;
use crate::session::{Opening, Session};
use crate::until::Until;
use palisade_model::causes;
use palisade_model::sql::{ConnectionSpec, ServerTls};
use palisade_net::{Key, KeyError, Roots, Tls};
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::PathBuf;
use std::time::Duration;

/// How long a server has to let somebody in.
const OPENING: Duration = Duration::from_secs(20);
/// Most bytes of a file of certificates.
const MAX_AUTHORITY_BYTES: u64 = 1 << 20;

/// Where each connection leads. Holds no password.
#[derive(Debug, Clone)]
pub struct Connections {
    specs: Vec<ConnectionSpec>,
    folder: PathBuf,
    variable: fn(&str) -> Option<OsString>,
}

/// Why a connection could not be opened, before any server is asked. No text tells a part of a password.
#[derive(Debug, thiserror::Error)]
pub enum ConnectionError {
    /// The operator has none of that name.
    #[error("there is no `[[connection]]` called `{name}` in palisade.toml")]
    Unknown {
        /// The name.
        name: String,
    },
    /// The password is not where the operator says.
    #[error("the password of the connection `{name}` can't be had")]
    Password {
        /// The name of the connection.
        name: String,
        /// Why.
        #[source]
        source: KeyError,
    },
    /// The certificates are not where the operator says.
    #[error("the `authority` of the connection `{name}` can't be used")]
    Authority {
        /// The name of the connection.
        name: String,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// What is needed to open a connection.
struct Ready<'c> {
    spec: &'c ConnectionSpec,
    password: Option<Key>,
    tls: Option<Tls>,
}

impl Connections {
    /// These. `folder` is that of the operator's file, to which its paths are relative; `variable` gives the value of an
    /// environment variable.
    #[must_use]
    pub const fn new(specs: Vec<ConnectionSpec>, folder: PathBuf, variable: fn(&str) -> Option<OsString>) -> Self {
        Self { specs, folder, variable }
    }

    /// Not one.
    #[must_use]
    pub fn none() -> Self {
        Self::new(Vec::new(), PathBuf::new(), |_| None)
    }

    /// All, in the order in which the operator wrote them.
    pub fn iter(&self) -> impl Iterator<Item = &ConnectionSpec> {
        self.specs.iter()
    }

    /// Looks whether a connection could be opened. No server is asked.
    ///
    /// # Errors
    /// When there is none of that name, or what it needs is not where it should be.
    pub fn check(&self, name: &str) -> Result<(), ConnectionError> {
        self.ready(name).map(drop)
    }

    /// Opens a connection for statements that end when `until` is over; `max_row_bytes` bounds the values of one row.
    ///
    /// # Errors
    /// When it can't be opened, or the server lets its user do more than read.
    pub fn open(&self, name: &str, max_row_bytes: usize, until: &Until) -> Result<Session, QueryError> {
        let Ready { spec, password, tls } =
            self.ready(name).map_err(|error| QueryError::Unavailable(causes(&error)))?;
        let soon = Until { deadline: until.deadline.min(Until::within(OPENING).deadline), ..until.clone() };
        let opening = Opening {
            spec,
            password: password.as_ref(),
            tls: tls.as_ref(),
            folder: &self.folder,
            opening: &soon,
            until,
        };
        Session::open(&opening, max_row_bytes).map_err(|error| opening.hide(error))
    }

    fn ready(&self, name: &str) -> Result<Ready<'_>, ConnectionError> {
        let spec = self.specs.iter().find(|spec| spec.name == name);
        let name = || name.to_owned();
        let spec = spec.ok_or_else(|| ConnectionError::Unknown { name: name() })?;
        let password = spec.password.as_ref().map(|place| Key::read(place, &self.folder, self.variable));
        let password = password.transpose().map_err(|source| ConnectionError::Password { name: name(), source })?;
        let roots = match &spec.tls {
            ServerTls::Off => None,
            ServerTls::On { authority: None } => Some(Ok(Roots::default())),
            ServerTls::On { authority: Some(path) } => Some(self.authority(path)),
        };
        let tls = roots
            .map(|roots| roots.and_then(|roots| Tls::new(&roots)))
            .transpose()
            .map_err(|source| ConnectionError::Authority { name: name(), source })?;
        Ok(Ready { spec, password, tls })
    }

    fn authority(&self, path: &str) -> io::Result<Roots> {
        let mut pem = Vec::new();
        File::open(self.folder.join(path))?.take(MAX_AUTHORITY_BYTES).read_to_end(&mut pem)?;
        Roots::of_pem(&pem).map_err(io::Error::other)
    }
}
