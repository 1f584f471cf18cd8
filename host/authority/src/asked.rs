//! What a component wants to do: one use of one power, and its text forms.

use crate::http::{Method, Methods};
use crate::name::{alias, component, connection};
use crate::origin::Origin;
use crate::path::{ScopedPath, WorkingFolder};
use crate::place::{ParseCapabilityError, Place, Reading, power_and_rest};
use crate::secret::SecretPlace;
use palisade_model::ComponentId;
use palisade_model::manifest::Power;
use std::net::IpAddr;

/// Something that a component wants to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Use {
    /// Opening a file or listing a folder.
    FsRead {
        /// The path that was really reached, symbolic links resolved.
        path: ScopedPath,
    },
    /// Writing a file, or making a folder.
    FsWrite {
        /// Where it is put.
        path: ScopedPath,
    },
    /// Reading a SQLite database.
    Sql {
        /// The path of its file, symbolic links resolved.
        database: ScopedPath,
    },
    /// Reading the database of a server.
    Database {
        /// The name of the connection.
        connection: String,
    },
    /// A request over HTTP.
    Http {
        /// Its method.
        method: Method,
        /// Where it goes.
        origin: Origin,
        /// The address that the host's name leads to, once that is known and is one that the public can't reach.
        private: Option<IpAddr>,
    },
    /// Asking a model.
    Llm {
        /// Its alias.
        model: String,
    },
    /// Calling a component.
    Call {
        /// Its id.
        component: ComponentId,
    },
    /// Sending a secret.
    Secret {
        /// Which, in which header and where; while a run is planned, perhaps only which.
        place: SecretPlace,
    },
}

impl Use {
    /// Reads the text of one use, as a file of the folder `base` names it: `fs-read=PATH`, `http=GET ORIGIN`. Without a
    /// method, `GET` is meant.
    ///
    /// # Errors
    /// When this build does not have the power, or the place can't be used or is more than one.
    pub fn parse_in(folder: &WorkingFolder, base: &WorkingFolder, text: &[u8]) -> Result<Self, ParseCapabilityError> {
        let (power, rest) = power_and_rest(text)?;
        Ok(match (Reading { folder, base, methods: Method::Get.into() }).place(power, rest)? {
            Place::FsRead(path) => Self::FsRead { path },
            Place::FsWrite(path) => Self::FsWrite { path },
            Place::Sql(database) => Self::Sql { database },
            Place::Database(connection) => Self::Database { connection },
            Place::Http(place) => {
                let (method, origin) = place.one().map_err(ParseCapabilityError::Http)?;
                Self::Http { method, origin, private: None }
            }
            Place::Llm(model) => Self::Llm { model },
            Place::Call(component) => Self::Call { component },
            Place::Secret(place) => Self::Secret { place },
        })
    }

    /// Its stored form, which loses nothing: the power, `=`, and what it is used on; a path in its own stored form.
    #[must_use]
    pub fn record(&self) -> String {
        let on = self.path().map_or_else(|| self.on(), ScopedPath::stored);
        format!("{}={on}", self.power().name())
    }

    /// Reads the stored form; none if it is none.
    #[must_use]
    pub fn of_record(text: &str) -> Option<Self> {
        let (power, on) = text.split_once('=')?;
        Some(match Power::from_name(power)? {
            Power::FsRead => Self::FsRead { path: ScopedPath::of_stored(on)? },
            Power::FsWrite => Self::FsWrite { path: ScopedPath::of_stored(on)? },
            Power::Sql => Self::Sql { database: ScopedPath::of_stored(on)? },
            Power::Database => Self::Database { connection: connection(on).ok()? },
            Power::Http => {
                let (method, rest) = on.split_once(' ')?;
                let (origin, private) = match rest.split_once(" at ") {
                    Some((origin, address)) => (origin, Some(address.parse().ok()?)),
                    None => (rest, None),
                };
                Self::Http { method: Method::from_name(method)?, origin: Origin::parse(origin).ok()?, private }
            }
            Power::Llm => Self::Llm { model: alias(on).ok()? },
            Power::Call => Self::Call { component: component(on).ok()? },
            Power::Secret => Self::Secret { place: SecretPlace::of_record(on)? },
        })
    }

    /// The power that is used.
    #[must_use]
    pub const fn power(&self) -> Power {
        match self {
            Self::FsRead { .. } => Power::FsRead,
            Self::FsWrite { .. } => Power::FsWrite,
            Self::Sql { .. } => Power::Sql,
            Self::Database { .. } => Power::Database,
            Self::Http { .. } => Power::Http,
            Self::Llm { .. } => Power::Llm,
            Self::Call { .. } => Power::Call,
            Self::Secret { .. } => Power::Secret,
        }
    }

    /// The path on which it is used, if it is one.
    #[must_use]
    pub const fn path(&self) -> Option<&ScopedPath> {
        match self {
            Self::FsRead { path } | Self::FsWrite { path } | Self::Sql { database: path } => Some(path),
            Self::Database { .. } | Self::Http { .. } | Self::Llm { .. } | Self::Call { .. } | Self::Secret { .. } => {
                None
            }
        }
    }

    /// The same use of another path, if it is one of a path; else itself.
    #[must_use]
    pub fn with_path(self, path: ScopedPath) -> Self {
        match self {
            Self::FsRead { .. } => Self::FsRead { path },
            Self::FsWrite { .. } => Self::FsWrite { path },
            Self::Sql { .. } => Self::Sql { database: path },
            other => other,
        }
    }

    /// What it is used on, for people; neutralised.
    #[must_use]
    pub fn on(&self) -> String {
        match self {
            Self::FsRead { path } | Self::FsWrite { path } | Self::Sql { database: path } => path.to_string(),
            Self::Http { method, origin, private: None } => format!("{} {origin}", method.name()),
            Self::Http { method, origin, private: Some(address) } => format!("{} {origin} at {address}", method.name()),
            Self::Database { connection: name } | Self::Llm { model: name } => name.clone(),
            Self::Call { component } => component.to_string(),
            Self::Secret { place } => place.to_string(),
        }
    }

    /// The capability that allows just this, and for a path what lies below it; as bytes, since a path may be any.
    #[must_use]
    pub fn as_capability(&self) -> Vec<u8> {
        let on = match self {
            Self::FsRead { path } | Self::FsWrite { path } | Self::Sql { database: path } => path.to_bytes(),
            Self::Http { method, origin, private } => {
                let private = if private.is_some() { " private" } else { "" };
                format!("{} {origin}{private}", Methods::from(*method)).into_bytes()
            }
            Self::Database { .. } | Self::Llm { .. } | Self::Call { .. } | Self::Secret { .. } => {
                self.on().into_bytes()
            }
        };
        [self.power().name().as_bytes(), b"=", &on].concat()
    }
}
