//! The database servers that tests start for themselves, from Debian's packages. Without them these tests say loudly that they
//! were skipped.

use crate::setup::{self, Install};
use std::path::Path;

/// The packages, each with what it brings.
const SERVERS: [(&str, &str); 2] =
    [("postgresql", "/usr/lib/postgresql"), ("mariadb-server-core", "/usr/sbin/mariadbd")];

/// Installs those that are missing, if that may be done unasked.
pub(crate) fn get(install: Install) {
    let missing = SERVERS.iter().filter(|(_, brings)| !Path::new(brings).exists());
    let missing: Vec<&str> = missing.map(|(package, _)| *package).collect();
    if !missing.is_empty() {
        setup::fetch(install, || setup::apt_install(&missing));
    }
}
