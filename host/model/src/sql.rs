//! Databases: what rows hold, and the servers that the operator set up. Names of places where passwords are, never one.

use crate::llm::KeyPlace;
use std::fmt;

/// One value that SQL knows.
#[derive(Debug, Clone, PartialEq)]
pub enum SqlValue {
    /// Nothing.
    Null,
    /// Yes or no.
    Boolean(bool),
    /// A whole number.
    Integer(i64),
    /// A number with a point.
    Real(f64),
    /// Text in UTF-8.
    Text(String),
    /// Bytes.
    Blob(Vec<u8>),
}

/// A column of a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name in the result.
    pub name: String,
    /// The type it was declared with, empty if it was not.
    pub declared_type: String,
}

/// A kind of database server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServerKind {
    /// MySQL or MariaDB.
    MySql,
    /// PostgreSQL.
    Postgres,
}

impl ServerKind {
    /// All kinds.
    pub const ALL: [Self; 2] = [Self::MySql, Self::Postgres];

    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::MySql => "mysql",
            Self::Postgres => "postgres",
        }
    }

    /// The port on which such servers listen.
    #[must_use]
    pub const fn default_port(self) -> u16 {
        match self {
            Self::MySql => 3306,
            Self::Postgres => 5432,
        }
    }
}

/// Where a server listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServerAddress {
    /// On a port of a host.
    Host {
        /// A name or an address.
        host: String,
        /// The port.
        port: u16,
    },
    /// On a Unix socket of that path, as written in the operator's file.
    Socket(String),
}

impl ServerAddress {
    /// Whether what is sent there stays on this machine.
    #[must_use]
    pub fn is_here(&self) -> bool {
        match self {
            Self::Socket(_) => true,
            Self::Host { host, .. } => {
                host == "localhost" || host.parse().is_ok_and(|address: std::net::IpAddr| address.is_loopback())
            }
        }
    }
}

impl fmt::Display for ServerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Host { host, port } => write!(f, "{host}:{port}"),
            Self::Socket(path) => write!(f, "the socket `{path}`"),
        }
    }
}

/// How what is sent to a server is protected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServerTls {
    /// The server must show a certificate for its name: of an authority that the web trusts, or that stands in this file.
    On {
        /// The file, as written in the operator's file.
        authority: Option<String>,
    },
    /// It goes in the clear.
    Off,
}

/// A database of a server, as a `[[connection]]` of the operator's file describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionSpec {
    /// Its name, by which configs and grants name it.
    pub name: String,
    /// What kind of server it is.
    pub kind: ServerKind,
    /// Where it listens.
    pub address: ServerAddress,
    /// Who asks.
    pub user: String,
    /// The database.
    pub database: String,
    /// Where the user's password is; none = there is none.
    pub password: Option<KeyPlace>,
    /// How what is sent is protected.
    pub tls: ServerTls,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stays_here_is_loopback_and_sockets() {
        let host = |host: &str| ServerAddress::Host { host: host.to_owned(), port: 1 };
        for here in ["localhost", "127.0.0.1", "127.9.9.9", "::1"] {
            assert!(host(here).is_here(), "{here}");
        }
        for away in ["db.example.org", "10.0.0.1", "localhost.example.org", "0.0.0.0", ""] {
            assert!(!host(away).is_here(), "{away}");
        }
        assert!(ServerAddress::Socket("/run/x".to_owned()).is_here());
        assert_eq!(host("::1").to_string(), "[::1]:1");
    }
}
