//! Databases of servers that a config means: by the name of a connection, or, as WCF's runbooks do, by where the server is.
//!
//! A runbook holds no password and opens nothing by itself: whatever it says leads to a `[[connection]]` of the operator's.

use super::Planner;
use crate::codes::Code;
use crate::components::KnownComponent;
use crate::config::Mark;
use crate::diagnostic::Diagnostic;
use crate::nearest::suggestion;
use crate::runbook::Call;
use palisade_model::manifest::Power;
use palisade_model::neutral;
use palisade_model::sql::{ConnectionSpec, ServerAddress};
use serde_json::Value;

impl Planner<'_> {
    /// The config with the name of a connection wherever one is meant; none if one is meant that is not there.
    pub(super) fn connected(&mut self, call: &Call, component: &KnownComponent, mut config: Value) -> Option<Value> {
        // A schema that can't be used has been told.
        let described = self.configs.of(component).ok()?;
        for Mark { found, .. } in described.marks().iter().filter(|mark| mark.power == Power::Database) {
            let Some((parent, key)) = found.pointer.rsplit_once('/') else { continue };
            let Some(Value::Object(properties)) = config.pointer_mut(parent) else { continue };
            let place = |key: &str| {
                let pointer = format!("{parent}/{key}");
                call.config.as_ref().map_or(call.component.span, |node| node.nearest(&pointer).span)
            };
            let is_reference = |pointer: &str| call.references.iter().any(|(known, _)| known == pointer);
            let password = properties.get("password").and_then(Value::as_str);
            if password.is_some_and(|password| !password.is_empty()) || is_reference(&format!("{parent}/password")) {
                let help = "keep it where only its owner reads it, and say where: `password = { file = \"PATH\" }` of a \
                            `[[connection]]` in palisade.toml";
                let message = "a password has no place in a runbook, which is stored with every run";
                // Not where it stands: people are shown the line.
                self.tell_connection(call.component.span, message, help);
                return None;
            }
            // That it must be written out is told where references are.
            if is_reference(&found.pointer) {
                continue;
            }
            let named = properties.get(key).and_then(Value::as_str);
            let stated = Stated::of(properties);
            match choose(self.context.connections, &found.says, named, stated.as_ref()) {
                Ok(connection) => {
                    properties.insert(key.to_owned(), Value::from(connection.name.as_str()));
                }
                Err((message, help)) => {
                    let place = place(if named.is_some() { key } else { "host" });
                    self.tell_connection(place, &message, &help);
                    return None;
                }
            }
        }
        Some(config)
    }

    fn tell_connection(&mut self, place: crate::source::Span, message: &str, help: &str) {
        let told = Diagnostic::new(Code::NoConnection, &self.runbook.source, place, message).with_help(help);
        self.diagnostics.push(told);
    }
}

/// What a config says of a server beside the name of a connection.
struct Stated<'c> {
    host: &'c str,
    port: Option<u64>,
    user: Option<&'c str>,
    database: Option<&'c str>,
}

impl<'c> Stated<'c> {
    fn of(properties: &'c serde_json::Map<String, Value>) -> Option<Self> {
        let text = |key: &str| properties.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
        let port = properties.get("port").and_then(Value::as_u64);
        Some(Self { host: text("host")?, port, user: text("user"), database: text("database") })
    }

    fn fits(&self, connection: &ConnectionSpec) -> bool {
        let ServerAddress::Host { host, port } = &connection.address else { return false };
        host.eq_ignore_ascii_case(self.host)
            && self.port.is_none_or(|stated| stated == u64::from(*port))
            && self.user.is_none_or(|stated| stated == connection.user)
            && self.database.is_none_or(|stated| stated == connection.database)
    }

    /// What would make it a connection, for people to complete.
    fn table(&self, kind: &str) -> String {
        let quoted = |text: Option<&str>| format!("{:?}", neutral::line(text.unwrap_or("…"), 80));
        let port = self.port.map_or_else(String::new, |port| format!(", `port = {port}`"));
        format!(
            "the operator adds a `[[connection]]` to palisade.toml with `name = \"…\"`, `kind = \"{kind}\"`, `host = {}`{port}, \
             `user = {}`, `database = {}` and `password = {{ env = \"…\" }}`",
            quoted(Some(self.host)),
            quoted(self.user),
            quoted(self.database),
        )
    }
}

/// The connection that is meant; or what is wrong, and what to do.
fn choose<'k>(
    known: &'k [ConnectionSpec],
    kind: &str,
    named: Option<&str>,
    stated: Option<&Stated<'_>>,
) -> Result<&'k ConnectionSpec, (String, String)> {
    let of_kind = || known.iter().filter(|connection| connection.kind.word() == kind);
    let names = || of_kind().map(|connection| connection.name.as_str());
    let listed = || match names().next() {
        None => {
            format!("the operator lists connections as `[[connection]]` in palisade.toml; none is of kind `{kind}`")
        }
        Some(_) => format!("known are {}", names().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")),
    };
    if let Some(name) = named {
        let shown = neutral::line(name, 60);
        return match known.iter().find(|connection| connection.name == name) {
            Some(other) if other.kind.word() != kind => Err((
                format!("`{shown}` is a connection of kind `{}`, and this reads `{kind}`", other.kind.word()),
                listed(),
            )),
            Some(connection) if stated.is_some_and(|stated| !stated.fits(connection)) => {
                let message =
                    format!("`{shown}` is a connection to another database than the one that is described beside it");
                Err((message, "write one of them".to_owned()))
            }
            Some(connection) => Ok(connection),
            None => {
                let help = suggestion(name, names().collect::<Vec<_>>()).unwrap_or_else(listed);
                Err((format!("there is no connection `{shown}`"), help))
            }
        };
    }
    let Some(stated) = stated else { return Err(("no connection is named".to_owned(), listed())) };
    let mut fitting = of_kind().filter(|connection| stated.fits(connection));
    match (fitting.next(), fitting.next()) {
        (Some(one), None) => Ok(one),
        (None, _) => Err((format!("no connection leads to `{}`", neutral::line(stated.host, 80)), stated.table(kind))),
        (Some(one), Some(other)) => {
            let message = format!("`{}` and `{}` are connections to what is described here", one.name, other.name);
            Err((message, "name one: `connection: NAME`".to_owned()))
        }
    }
}
