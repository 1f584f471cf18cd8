//! The connectors of database servers, through the binary and against servers of Debian's packages: what WCF's runbooks and
//! others get, who may, and where the password is not.

use palisade_tests::servers::{DATABASE, DatabaseServer, READER};
use palisade_tests::{Dir, Outcome, command};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

const TABLES: &str = "CREATE TABLE people (id integer PRIMARY KEY, name varchar(40) NOT NULL DEFAULT 'nobody', size real, note text);\n\
                      INSERT INTO people VALUES (1, 'Ann', 61.5, 'a@example.org'), (2, 'Bob', NULL, '  '), (3, 'Eve', 80, 'x');\n\
                      CREATE VIEW tall AS SELECT name FROM people WHERE size > 70;";

/// A folder with a connection to a server, and a component that may read it.
struct Project {
    dir: Dir,
    kind: &'static str,
    server: DatabaseServer,
}

impl Project {
    fn new(kind: &'static str, server: DatabaseServer) -> Self {
        let project = Self { dir: Dir::new(), kind, server };
        project.settings("", &format!("[[grant]]\ncomponent = \"{kind}\"\nallow = [\"database=crm\"]\n"));
        project
    }

    /// Writes the operator's file: the connection, with more in it, and more.
    fn settings(&self, of_the_connection: &str, more: &str) {
        let (kind, port, user) = (self.kind, self.server.port, READER.0);
        let connection = format!(
            "[[connection]]\nname = \"crm\"\nkind = \"{kind}\"\nhost = \"127.0.0.1\"\nport = {port}\nuser = \"{user}\"\n\
             database = \"{DATABASE}\"\npassword = {{ env = \"CRM_PASSWORD\" }}\n{of_the_connection}\n"
        );
        self.dir.write("palisade.toml", format!("{connection}\n{more}"));
    }

    /// Writes a runbook that reads with this config.
    fn runbook(&self, more: &str, config: &str) {
        let step = format!("execution:\n  - name: Rows\n    type: source\n    connector: {}\n", self.kind);
        self.dir.write("runbook.yaml", format!("name: Rows\n{more}{step}    config: {config}\n    output: rows\n"));
    }

    /// Calls the binary where the password is; what it says never has it.
    fn call(&self, line: &str) -> Outcome {
        self.called(line, Some(READER.1))
    }

    fn called(&self, line: &str, password: Option<&str>) -> Outcome {
        let mut call = command::command(self.dir.path());
        call.args(line.split(' ')).env("PALISADE_LOG", "trace");
        if let Some(password) = password {
            call.env("CRM_PASSWORD", password);
        }
        let outcome = Outcome::from(call.output().unwrap());
        assert!(!outcome.stdout.contains(READER.1) && !outcome.stderr.contains(READER.1), "{line}: {outcome:?}");
        outcome
    }

    fn document(&self) -> Value {
        serde_json::from_slice(&fs::read(self.dir.join("out/rows.json")).unwrap()).unwrap()
    }

    #[track_caller]
    fn is_refused(&self, line: &str, code: i32, why: &str) {
        let refused = self.call(line);
        assert!(refused.stderr.contains(why), "{why}\n{}", refused.stderr);
        let _ = refused.exits(code);
    }
}

/// The items of the tables above, written by hand.
fn expected(kind: &str, schema: &str) -> Vec<Value> {
    let cells = [
        ("people", "id", 1, "1"),
        ("people", "name", 1, "Ann"),
        ("people", "size", 1, "61.5"),
        ("people", "note", 1, "a@example.org"),
        ("people", "id", 2, "2"),
        ("people", "name", 2, "Bob"),
        ("people", "id", 3, "3"),
        ("people", "name", 3, "Eve"),
        ("people", "size", 3, "80.0"),
        ("people", "note", 3, "x"),
        ("tall", "name", 1, "Eve"),
    ];
    let item = |(table, column, row, text): (&str, &str, u64, &str)| {
        json!({
            "content": format!("{column}: {text}"),
            "metadata": {
                "source": format!("{kind}_database_(crm)_table_({table})_column_({column})_row_({row})"),
                "connector_type": format!("{kind}_connector"),
                "context": {},
                "table_name": table,
                "column_name": column,
                "schema_name": schema,
            },
        })
    };
    cells.map(item).into()
}

fn each_file(folder: &Path, visit: &mut dyn FnMut(&Path, &[u8])) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            each_file(&path, visit);
        } else if path.is_file() {
            visit(&path, &fs::read(&path).unwrap());
        }
    }
}

/// What holds for both kinds once the runbook was run.
fn check_everywhere(project: &Project) {
    let kind = project.kind;
    let shown = project.call("plan runbook.yaml").stdout;
    assert!(shown.contains("database") && shown.contains("crm"), "{shown}");
    let audit = project.call("audit log --format json").stdout;
    assert!(audit.contains("\"database\"") && audit.contains("crm"), "{audit}");
    let explained = project.call("grants explain last rows").stdout;
    assert!(explained.contains("database of `crm`") || explained.contains("`database` of `crm`"), "{explained}");
    for line in [
        "runs show last --events",
        "runs show last --format json",
        "plan runbook.yaml --format json",
        "grants show",
        "lineage rows",
        "evidence last --out evidence",
    ] {
        let _ = project.call(line).exits(0);
    }
    let doctor = project.call("doctor").stdout;
    let port = project.server.port;
    let readable = format!("`crm` ({kind} database `crm` at 127.0.0.1:{port} as `reader`) could be read");
    assert!(doctor.contains(&readable), "{doctor}");
    // A source is never remembered: what was changed is read.
    let mut files = 0;
    each_file(project.dir.path(), &mut |file, bytes| {
        files += 1;
        let found = bytes.windows(READER.1.len()).any(|window| window == READER.1.as_bytes());
        assert!(!found, "the password is in {}", file.display());
    });
    assert!(files > 3, "{files}");
    who_may_not_is_refused(project);
    limits_bite(project);
}

fn who_may_not_is_refused(project: &Project) {
    let kind = project.kind;
    project.runbook("", "{connection: crm}");
    let why = "the password of the connection `crm` can't be had: the environment variable `CRM_PASSWORD` is not set";
    let missing = project.called("run -q runbook.yaml", None);
    assert!(missing.stderr.contains(why), "{missing:?}");
    let _ = missing.exits(2);
    let wrong = project.called("run -q runbook.yaml", Some("not-the-password"));
    assert!(wrong.stderr.contains("the server does not let `reader` in"), "{wrong:?}");
    assert!(!wrong.stderr.contains("not-the-password"), "{wrong:?}");
    let _ = wrong.exits(1);
    project.settings("", "");
    project.is_refused("run -q runbook.yaml", 3, "the operator grants no `database` of `crm`");
    let _ = project.call("run -q runbook.yaml --allow database=crm --no-cache").exits(0);
    project.settings(
        "",
        &format!(
            "[[grant]]\ncomponent = \"{kind}\"\nallow = [\"database=crm\"]\n\n[[deny]]\ndeny = [\"database=*\"]\n"
        ),
    );
    project.is_refused("run -q runbook.yaml", 3, "the operator forbids `database` of `crm`");
    project.settings("", &format!("[[grant]]\ncomponent = \"{kind}\"\nallow = [\"database=crm\"]\n"));
    project.runbook("capabilities: []\n", "{connection: crm}");
    project.is_refused("run -q runbook.yaml", 3, "the runbook's `capabilities` hold no `database` of `crm`");
}

fn limits_bite(project: &Project) {
    project.runbook("", "{connection: crm}");
    let text = fs::read_to_string(project.dir.join("runbook.yaml")).unwrap();
    project.dir.write("runbook.yaml", text.replace("    output: rows", "    limits: {rows: 10}\n    output: rows"));
    project.is_refused("run -q runbook.yaml", 4, "rows");
    project.runbook("", "{connection: crm}");
    let _ = project.call("run -q runbook.yaml").exits(0);
    let record: Value = serde_json::from_str(&project.call("runs show last --format json").stdout).unwrap();
    let sent = record["record"]["sent"]["database=crm"].as_u64().unwrap();
    assert!((100..10_000).contains(&sent), "what was asked counts: {sent}");
    let audit: Value = serde_json::from_str(&project.call("audit log --format json").stdout).unwrap();
    let uses =
        audit["entries"].as_array().unwrap().iter().rev().find(|entry| entry["entry"]["kind"] == "uses").unwrap();
    assert_eq!(uses["entry"]["sent"], sent);
    project.runbook(&format!("limits: {{max_egress: {sent}}}\n"), "{connection: crm}");
    let _ = project.call("run -q runbook.yaml").exits(0);
    project.runbook(&format!("limits: {{max_egress: {}}}\n", sent - 1), "{connection: crm}");
    project.is_refused("run -q runbook.yaml", 4, "went to database=crm, and this would be");
}

#[test]
fn a_runbook_of_wcf_reads_mysql() {
    let Some(server) = DatabaseServer::mariadb(&TABLES.replace("CREATE VIEW", "CREATE SQL SECURITY INVOKER VIEW"))
    else {
        return;
    };
    let project = Project::new("mysql", server);
    let port = project.server.port;
    let properties = |more: &str| {
        format!(
            "name: Shop\ndescription: as WCF has it\nartifacts:\n  rows:\n    source:\n      type: mysql\n      properties:\n        \
             host: 127.0.0.1\n        port: {port}\n        user: reader\n        database: crm\n{more}    output: true\n"
        )
    };
    project.dir.write("runbook.yaml", properties("        max_rows_per_table: 5\n"));
    let _ = project.call("run -q runbook.yaml --out out --export wcf").exits(0);
    let document = project.document();
    assert_eq!(document["data"].as_array().unwrap(), &expected("mysql", "crm"));
    let people = &document["metadata"]["database_schema"]["tables"][0];
    assert_eq!((&people["name"], &people["table_type"]), (&json!("people"), &json!("BASE TABLE")));
    assert_eq!(
        people["columns"][1],
        json!({"name": "name", "data_type": "varchar", "is_nullable": false, "default": "'nobody'", "comment": null,
               "key": null, "extra": null})
    );
    assert_eq!(document["metadata"]["database_schema"]["tables"][1]["table_type"], "VIEW");
    let replayed = project.called("replay last", None);
    let _ = replayed.exits(0);
    project.dir.write("runbook.yaml", properties("        password: hunter2hunter2\n"));
    project.is_refused("run -q runbook.yaml", 2, "a password has no place in a runbook");
    project.dir.write("runbook.yaml", properties("").replace("reader", "somebody"));
    project.is_refused("run -q runbook.yaml", 2, "no connection leads to `127.0.0.1`");
    project.runbook("", "{connection: crm}");
    check_everywhere(&project);
}

#[test]
fn a_runbook_reads_postgres() {
    let Some(server) = DatabaseServer::postgres(TABLES) else { return };
    let project = Project::new("postgres", server);
    project.runbook("", "{connection: crm}");
    let _ = project.call("run -q runbook.yaml --out out").exits(0);
    let document = project.document();
    assert_eq!(document["data"].as_array().unwrap(), &expected("postgres", "public"));
    assert_eq!(
        document["metadata"]["database_schema"]["tables"][0]["columns"].as_array().unwrap()[..2],
        [
            json!({"name": "id", "data_type": "integer", "is_nullable": false, "default": null, "comment": null,
                   "key": "PRI", "extra": null}),
            json!({"name": "name", "data_type": "character varying(40)", "is_nullable": false,
                   "default": "'nobody'::character varying", "comment": null, "key": null, "extra": null}),
        ]
    );
    let replayed = project.called("replay last", None);
    let _ = replayed.exits(0);
    check_everywhere(&project);
}
