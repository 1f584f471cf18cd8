//! The network as the system has it. Only names are looked up here; the sandbox opens sockets, to addresses that were
//! decided about.

use palisade_net::Roots;
use palisade_sandbox::ports::Network;
use std::io;
use std::net::{IpAddr, ToSocketAddrs as _};

/// The system's resolver, and the authorities that the operator believes.
#[derive(Debug, Clone, Default)]
pub struct SystemNetwork {
    roots: Roots,
}

impl SystemNetwork {
    /// With these authorities.
    #[must_use]
    pub const fn new(roots: Roots) -> Self {
        Self { roots }
    }
}

impl Network for SystemNetwork {
    fn lookup(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        // The port plays no part in it.
        (name, 0).to_socket_addrs().map(|found| found.map(|address| address.ip()).collect())
    }

    fn roots(&self) -> &Roots {
        &self.roots
    }
}
