//! `[[connection]]`: databases of servers, under the names by which configs and grants know them.

use crate::key_place;
use crate::llm::one_of;
use crate::table::Reader;
use palisade_authority::Place;
use palisade_model::manifest::Power;
use palisade_model::sql::{ConnectionSpec, ServerAddress, ServerKind, ServerTls};
use palisade_runbook::Spanned;
use std::ops::Range;
use toml::de::DeTable;

const OF: &str = "[[connection]]";
const KEYS: [&str; 10] = ["name", "kind", "host", "port", "socket", "user", "database", "password", "tls", "authority"];
/// Most bytes of a name of the server's. Those of PostgreSQL and MySQL have at most 64 characters.
const MAX_NAME_BYTES: usize = 256;

pub(crate) fn read(r: &mut Reader<'_>, file: &DeTable<'_>) -> Vec<ConnectionSpec> {
    let mut connections: Vec<ConnectionSpec> = Vec::new();
    for (table, at) in r.sections(file, "connection") {
        let Some(connection) = one(r, table, &at) else { continue };
        if connections.iter().any(|known| known.name == connection.name) {
            r.wrong(at, format!("there is a {OF} `{}` already", connection.name), None);
        }
        connections.push(connection);
    }
    connections
}

fn one(r: &mut Reader<'_>, table: &DeTable<'_>, at: &Range<usize>) -> Option<ConnectionSpec> {
    r.check_keys(OF, table, &KEYS);
    let name = r.needed_text(OF, table, at, "name").and_then(|name| {
        let good = Place::of_stored(Power::Database, &name.value).is_some();
        if !good {
            let why = format!("`name` of {OF} has 1 to 64 lower-case letters, digits, `-`, `_` and `.`");
            r.wrong(name.span.start..name.span.end, why, None);
        }
        good.then_some(name.value)
    });
    if table.get("kind").is_none() {
        r.wrong(at.clone(), format!("{OF} needs a `kind`"), None);
    }
    let kind = one_of(r, OF, table, "kind", ServerKind::ALL.map(|kind| (kind.word(), kind)));
    let user = plain(r, table, at, "user");
    let database = plain(r, table, at, "database");
    let password = match table.get("password") {
        Some(value) => Some(key_place::read(r, "password", OF, value)?),
        None => None,
    };
    let kind = kind?;
    let address = address(r, table, at, kind)?;
    let tls = tls(r, table, &address)?;
    Some(ConnectionSpec { name: name?, kind, address, user: user?, database: database?, password, tls })
}

/// A text that must be there, and that a protocol can carry as a name.
fn plain(r: &mut Reader<'_>, table: &DeTable<'_>, at: &Range<usize>, key: &str) -> Option<String> {
    let Spanned { value, span } = r.needed_text(OF, table, at, key)?;
    let good = (1..=MAX_NAME_BYTES).contains(&value.len()) && !value.chars().any(char::is_control);
    if !good {
        let why = format!("`{key}` of {OF} has 1 to {MAX_NAME_BYTES} bytes, and no control characters");
        r.wrong(span.start..span.end, why, None);
    }
    good.then_some(value)
}

fn address(r: &mut Reader<'_>, table: &DeTable<'_>, at: &Range<usize>, kind: ServerKind) -> Option<ServerAddress> {
    let (host, socket) = (r.text(OF, table, "host"), r.text(OF, table, "socket"));
    match (host, socket, table.get("port")) {
        (Some(host), None, port) => {
            let good = !host.value.is_empty()
                && host.value.len() <= 253
                && host.value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.:_".contains(&byte));
            if !good {
                let help = "as `db.example.org` or `10.0.0.7`; the port stands under `port`".to_owned();
                r.wrong(host.span.start..host.span.end, format!("`host` of {OF} is no host"), Some(help));
                return None;
            }
            let port = match port {
                None => kind.default_port(),
                Some(value) => {
                    let number = value.get_ref().as_integer();
                    let number = number.and_then(|number| u16::from_str_radix(number.as_str(), number.radix()).ok());
                    let Some(number) = number.filter(|number| *number > 0) else {
                        r.wrong(value.span(), format!("`port` of {OF} is a number from 1 to 65535"), None);
                        return None;
                    };
                    number
                }
            };
            Some(ServerAddress::Host { host: host.value, port })
        }
        (None, Some(socket), None) => Some(ServerAddress::Socket(socket.value)),
        (None, Some(_), Some(port)) => {
            r.wrong(port.span(), format!("{OF} with a `socket` has no `port`"), None);
            None
        }
        _ => {
            let help = "write `host = \"db.example.org\"` or `socket = \"/run/postgresql/.s.PGSQL.5432\"`".to_owned();
            r.wrong(at.clone(), format!("{OF} says where the server is, in one way"), Some(help));
            None
        }
    }
}

/// On unless the operator says otherwise; off to this machine, which what is sent does not leave.
fn tls(r: &mut Reader<'_>, table: &DeTable<'_>, address: &ServerAddress) -> Option<ServerTls> {
    let written = one_of(r, OF, table, "tls", [("on", true), ("off", false)]);
    if table.contains_key("tls") && written.is_none() {
        return None;
    }
    let authority = r.text(OF, table, "authority");
    let on = written.unwrap_or(authority.is_some() || !address.is_here());
    match (on, authority, address) {
        (true, _, ServerAddress::Socket(_)) => {
            let place = table.get("tls").or_else(|| table.get("authority")).map(toml::Spanned::span)?;
            r.wrong(place, format!("{OF} with a `socket` has no TLS: what goes there stays on this machine"), None);
            None
        }
        (true, authority, _) => Some(ServerTls::On { authority: authority.map(|file| file.value) }),
        (false, None, _) => Some(ServerTls::Off),
        (false, Some(authority), _) => {
            let place = authority.span.start..authority.span.end;
            r.wrong(place, format!("{OF} without TLS asks for no certificate: leave `authority` or `tls` out"), None);
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file::tests::{check, read_text};

    fn table(rest: &str) -> String {
        format!("[[connection]]\nname = \"crm\"\nkind = \"postgres\"\nuser = \"u\"\ndatabase = \"d\"\n{rest}\n")
    }

    fn read_one(rest: &str) -> ConnectionSpec {
        read_text(&table(rest)).unwrap().connections.remove(0)
    }

    #[test]
    fn tls_is_on_unless_what_is_sent_stays_here_or_the_operator_says_so() {
        let on = |authority: Option<&str>| ServerTls::On { authority: authority.map(str::to_owned) };
        for (rest, expected) in [
            ("host = \"db.example.org\"", on(None)),
            ("host = \"10.0.0.7\"\nport = 1", on(None)),
            ("host = \"db.example.org\"\nauthority = \"ca.pem\"", on(Some("ca.pem"))),
            ("host = \"localhost\"\nauthority = \"ca.pem\"", on(Some("ca.pem"))),
            ("host = \"127.0.0.1\"\ntls = \"on\"", on(None)),
            ("host = \"127.0.0.1\"", ServerTls::Off),
            ("socket = \"/run/s\"", ServerTls::Off),
            ("host = \"db.example.org\"\ntls = \"off\"", ServerTls::Off),
        ] {
            assert_eq!(read_one(rest).tls, expected, "{rest}");
        }
    }

    #[test]
    fn a_connection_says_where_the_server_is() {
        let address = |rest: &str| read_one(rest).address.to_string();
        assert_eq!(address("host = \"a.example\""), "a.example:5432");
        assert_eq!(address("host = \"a.example\"\nport = 6000"), "a.example:6000");
        assert_eq!(address("socket = \"run/s\""), "the socket `run/s`");
        let mysql = table("host = \"::1\"\npassword = { file = \"keys/crm\" }").replace("postgres", "mysql");
        let read = read_text(&mysql).unwrap();
        assert_eq!(read.connections[0].address.to_string(), "[::1]:3306");
        assert_eq!(read.kept[0].place(), "/w/keys/crm");
    }

    #[test]
    fn what_is_wrong_with_a_connection_is_told_at_its_place() {
        check(
            "[[connection]]\n",
            &[
                "1:1: [[connection]] needs a `name`",
                "1:1: [[connection]] needs a `kind`",
                "1:1: [[connection]] needs a `user`",
                "1:1: [[connection]] needs a `database`",
            ],
        );
        let nowhere = "[[connection]] says where the server is, in one way (write `host = \"db.example.org\"` or \
                       `socket = \"/run/postgresql/.s.PGSQL.5432\"`)";
        check(&table(""), &[&format!("1:1: {nowhere}")]);
        check(&table("host = \"a\"\nsocket = \"b\""), &[&format!("1:1: {nowhere}")]);
        check(&table("socket = \"b\"\nport = 1"), &["7:8: [[connection]] with a `socket` has no `port`"]);
        check(&table("host = \"a\"\nport = 65536"), &["7:8: `port` of [[connection]] is a number from 1 to 65535"]);
        check(
            &table("host = \"a:b@c\""),
            &[
                "6:8: `host` of [[connection]] is no host (as `db.example.org` or `10.0.0.7`; the port stands under `port`)",
            ],
        );
        check(
            &table("socket = \"b\"\ntls = \"on\""),
            &["7:7: [[connection]] with a `socket` has no TLS: what goes there stays on this machine"],
        );
        check(
            &table("host = \"a\"\ntls = \"off\"\nauthority = \"x\""),
            &["8:13: [[connection]] without TLS asks for no certificate: leave `authority` or `tls` out"],
        );
        check(
            &table("host = \"a\"\npassword = \"t0psecret\"").replace("crm", "C R M"),
            &[
                "2:8: `name` of [[connection]] has 1 to 64 lower-case letters, digits, `-`, `_` and `.`",
                "7:12: `password` of [[connection]] says where the key is, in one way (keys themselves don't stand in this \
                 file: write `{ env = \"NAME\" }` or `{ file = \"PATH\" }`)",
            ],
        );
        check(&table("host = \"a\"").repeat(2), &["7:1: there is a [[connection]] `crm` already"]);
    }
}
