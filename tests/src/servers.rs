//! Throw-away servers of databases, from the packages of Debian: each has a folder of its own, listens on loopback, and ends
//! with the test process.

use crate::{Dir, skipped};
use std::fs::{self, File};
use std::io::Write as _;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

/// The user who only reads, and the password.
pub const READER: (&str, &str) = ("reader", "correct-horse-battery");
/// A user who may do more than read tables.
pub const MIGHTY: &str = "mighty";
/// The database.
pub const DATABASE: &str = "crm";
/// Who runs servers that refuse to be run by root.
const NOBODY: u32 = 65_534;
/// How long a server may take to begin.
const PATIENCE: Duration = Duration::from_secs(120);

/// A server that runs.
#[derive(Debug)]
pub struct DatabaseServer {
    /// Where it listens on loopback.
    pub port: u16,
    process: u32,
    dir: Dir,
}

impl DatabaseServer {
    /// Starts PostgreSQL with these tables; none, and a loud line, where it is not installed.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn postgres(tables: &str) -> Option<Self> {
        let Some(bin) = postgres_folder() else {
            skipped("PostgreSQL is not installed (Debian: postgresql), so nobody asked it");
            return None;
        };
        let dir = folder();
        let data = dir.join("data");
        let init = ["-U", "admin", "--auth-local=trust", "--auth-host=scram-sha-256", "--no-sync", "--encoding=UTF8"];
        let mut command = unprivileged(&bin.join("initdb"));
        finish(command.arg("-D").arg(&data).args(init).arg("--locale=C"));
        let port = free_port();
        let mut server = unprivileged(&bin.join("postgres"));
        server.arg("-D").arg(&data).arg("-k").arg(dir.path());
        server.args(["-h", "127.0.0.1", "-p", &port.to_string(), "-F"]);
        if certificate(&dir) {
            server.args(["-c", "ssl=on", "-c"]).arg(format!("ssl_cert_file={}", dir.join("cert.pem").display()));
            server.arg("-c").arg(format!("ssl_key_file={}", dir.join("key.pem").display()));
        }
        let process = keep(server, &dir);
        let started = Self { port, process, dir };
        let (reader, password) = READER;
        let users = format!(
            "CREATE DATABASE {DATABASE};\nCREATE ROLE {reader} LOGIN PASSWORD '{password}';\n\
             CREATE ROLE {MIGHTY} LOGIN PASSWORD '{password}';\nGRANT pg_read_server_files TO {MIGHTY};\n"
        );
        started.psql(&bin, "postgres", &users);
        started.psql(&bin, DATABASE, &format!("{tables}\nGRANT SELECT ON ALL TABLES IN SCHEMA public TO {reader};"));
        Some(started)
    }

    /// Starts MariaDB with these tables, one statement a line; none, and a loud line, where it is not installed.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn mariadb(tables: &str) -> Option<Self> {
        let (server, own) = (Path::new("/usr/sbin/mariadbd"), Path::new("/usr/share/mysql"));
        if !server.exists() || !own.join("mysql_system_tables.sql").exists() {
            skipped("MariaDB is not installed (Debian: mariadb-server-core), so nobody asked it");
            return None;
        }
        let dir = folder();
        let data = dir.join("data");
        fs::create_dir(&data).expect("a folder");
        give_away(&data);
        let mut tables_of_its_own = b"create database mysql;\nuse mysql;\nset @auth_root_socket=NULL;\n".to_vec();
        for file in ["mysql_system_tables.sql", "mysql_performance_tables.sql", "mysql_system_tables_data.sql"] {
            tables_of_its_own.extend(fs::read(own.join(file)).expect("MariaDB's own tables"));
        }
        dir.write("own.sql", tables_of_its_own);
        let option = |name: &str, path: &Path| format!("--{name}={}", path.display());
        let common = ["--no-defaults".to_owned(), option("datadir", &data), option("lc-messages-dir", own)];
        let small =
            ["--innodb-log-file-size=8M", "--innodb-buffer-pool-size=16M", "--innodb-flush-log-at-trx-commit=0"];
        let mut bootstrap = unprivileged(server);
        bootstrap.args(&common).args(small).arg("--bootstrap");
        finish(bootstrap.stdin(File::open(dir.join("own.sql")).expect("MariaDB's own tables")));
        let (reader, password) = READER;
        let users = format!(
            "SET NAMES utf8mb4;\nCREATE DATABASE {DATABASE} CHARACTER SET utf8mb4;\nUSE {DATABASE};\n{tables}\n\
             CREATE USER {reader}@'127.0.0.1' IDENTIFIED BY '{password}';\nGRANT SELECT ON {DATABASE}.* TO {reader}@'127.0.0.1';\n\
             CREATE USER {MIGHTY}@'127.0.0.1' IDENTIFIED BY '{password}';\nGRANT FILE ON *.* TO {MIGHTY}@'127.0.0.1';\n\
             GRANT ALL ON {DATABASE}.* TO {MIGHTY}@'127.0.0.1';\n"
        );
        dir.write("users.sql", users);
        let port = free_port();
        let mut command = unprivileged(server);
        command.args(&common).args(small).arg(format!("--port={port}")).args(["--bind-address=127.0.0.1"]);
        command.arg(option("socket", &dir.join("s"))).arg(option("pid-file", &dir.join("pid")));
        command.arg(option("init-file", &dir.join("users.sql")));
        if certificate(&dir) {
            command.arg(option("ssl-cert", &dir.join("cert.pem"))).arg(option("ssl-key", &dir.join("key.pem")));
        }
        let process = keep(command, &dir);
        let started = Self { port, process, dir };
        started.wait();
        Some(started)
    }

    /// The certificate that it shows, for `localhost` alone; none if none could be made.
    #[must_use]
    pub fn certificate(&self) -> Option<PathBuf> {
        Some(self.dir.join("cert.pem")).filter(|path| path.exists())
    }

    /// Ends it at once, whatever it is doing.
    ///
    /// # Panics
    /// When there is no such process.
    pub fn end(&self) {
        let process = rustix::process::Pid::from_raw(self.process.cast_signed()).expect("a process");
        rustix::process::kill_process(process, rustix::process::Signal::QUIT).expect("it runs");
    }

    fn wait(&self) {
        let begun = Instant::now();
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(begun.elapsed() < PATIENCE, "{}", self.log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn log(&self) -> String {
        fs::read_to_string(self.dir.join("log")).unwrap_or_default()
    }

    /// Runs statements as the server's owner, as soon as it runs.
    fn psql(&self, bin: &Path, database: &str, statements: &str) {
        self.wait();
        let begun = Instant::now();
        loop {
            let mut command = Command::new(bin.join("psql"));
            command.arg("-h").arg(self.dir.path()).args(["-p", &self.port.to_string(), "-U", "admin", "-d", database]);
            command.args(["-q", "-X", "-v", "ON_ERROR_STOP=1"]);
            command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
            let mut psql = command.spawn().expect("psql");
            // One that can't connect does not read them.
            let _ = psql.stdin.take().expect("what it reads").write_all(statements.as_bytes());
            let outcome = psql.wait_with_output().expect("psql ends");
            if outcome.status.success() {
                return;
            }
            let told = String::from_utf8_lossy(&outcome.stderr);
            assert!(told.contains("starting up") && begun.elapsed() < PATIENCE, "{told}\n{}", self.log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for DatabaseServer {
    fn drop(&mut self) {
        if let Some(process) = rustix::process::Pid::from_raw(self.process.cast_signed()) {
            // It may have ended already.
            let _ = rustix::process::kill_process(process, rustix::process::Signal::QUIT);
        }
    }
}

/// The newest PostgreSQL of Debian.
fn postgres_folder() -> Option<PathBuf> {
    let versions =
        fs::read_dir("/usr/lib/postgresql").ok()?.filter_map(Result::ok).map(|entry| entry.path().join("bin"));
    versions.filter(|bin| ["initdb", "postgres", "psql"].iter().all(|tool| bin.join(tool).exists())).max()
}

/// A folder whose path is short enough for a socket, and into which the server may write.
fn folder() -> Dir {
    let dir = Dir::new();
    give_away(dir.path());
    dir
}

fn give_away(path: &Path) {
    if rustix::process::geteuid().is_root() {
        std::os::unix::fs::chown(path, Some(NOBODY), Some(NOBODY)).expect("root gives it away");
    }
}

/// A program that ends with the thread that starts it, and is not run by root.
fn unprivileged(program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL"]);
    if rustix::process::geteuid().is_root() {
        let nobody = NOBODY.to_string();
        command.args(["--reuid", &nobody, "--regid", &nobody, "--clear-groups"]);
    }
    command.arg(program);
    command
}

fn finish(command: &mut Command) {
    let outcome = command.output().expect("setpriv");
    assert!(outcome.status.success(), "{}", String::from_utf8_lossy(&outcome.stderr));
}

/// Starts a server from a thread that lives as long as it, and as the test process at most.
fn keep(mut command: Command, dir: &Dir) -> u32 {
    let log = File::create(dir.join("log")).expect("a log");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
    let (started, process) = channel();
    std::thread::spawn(move || {
        let mut child: Child = command.spawn().expect("setpriv");
        let _ = started.send(child.id());
        let _ = child.wait();
    });
    process.recv().expect("it started")
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port()
}

/// Makes a certificate for `localhost` and its key; false, and a loud line, where there is nothing that does.
fn certificate(dir: &Dir) -> bool {
    let mut command = Command::new("openssl");
    command.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]);
    command.args(["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]);
    // Neither is it anybody's authority.
    command.args(["-addext", "basicConstraints=critical,CA:FALSE"]);
    command.arg("-keyout").arg(dir.join("key.pem")).arg("-out").arg(dir.join("cert.pem"));
    let made = command.output().is_ok_and(|outcome| outcome.status.success());
    if made {
        give_away(&dir.join("key.pem"));
    } else {
        skipped("there is no openssl, so no server speaks TLS");
    }
    made
}
