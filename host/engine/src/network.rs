//! The network as the system has it. Only names are looked up here; the sandbox opens sockets, to addresses that were
//! decided about.

use palisade_sandbox::ports::Network;
use std::io;
use std::net::{IpAddr, ToSocketAddrs as _};

/// The system's resolver.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemNetwork;

impl Network for SystemNetwork {
    fn lookup(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        // The port plays no part in it.
        (name, 0).to_socket_addrs().map(|found| found.map(|address| address.ip()).collect())
    }
}
