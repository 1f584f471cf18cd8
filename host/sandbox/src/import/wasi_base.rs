//! The standard WASI 0.2 set, always linked to an empty world, so that components of every toolchain run.
//!
//! There are no arguments, no environment, no files (those are `filesystem.rs`), no input and no network; output goes to
//! the log; time and randomness are made up (`wasi_base/virtual_world.rs`). Nothing here waits, so that a guest that
//! sleeps burns fuel and no time.

mod streams;
mod virtual_world;

use crate::bindings::palisade::plugin::log;
use crate::state::{Ended, Host};
use palisade_model::{Failure, FailureKind};
use streams::Lines;
use virtual_world::{VirtualClock, VirtualRandom};
use wasmtime::component::{HasData, HasSelf, Linker, ResourceTable};
use wasmtime_wasi::WasiCtx;
use wasmtime_wasi::cli::{WasiCli, WasiCliView};
use wasmtime_wasi::p2::bindings::{cli, clocks, random, sockets};
use wasmtime_wasi::sockets::{WasiSockets, WasiSocketsView};
use wasmtime_wasi_io::bindings::wasi::io;

/// What an instance has of WASI.
pub(crate) struct World {
    pub(crate) ctx: WasiCtx,
    clock: VirtualClock,
    random: VirtualRandom,
    stdout: Lines,
    stderr: Lines,
}

struct HasTable;

impl HasData for HasTable {
    type Data<'a> = &'a mut ResourceTable;
}

pub(crate) fn add_to_linker(linker: &mut Linker<Host>) -> wasmtime::Result<()> {
    let l = linker;
    io::error::add_to_linker::<_, HasTable>(l, |host| &mut host.table)?;
    io::poll::add_to_linker::<_, HasTable>(l, |host| &mut host.table)?;
    io::streams::add_to_linker::<_, HasSelf<_>>(l, |host| host)?;
    clocks::wall_clock::add_to_linker::<_, HasSelf<_>>(l, |host| host)?;
    clocks::monotonic_clock::add_to_linker::<_, HasSelf<_>>(l, |host| host)?;
    random::random::add_to_linker::<_, HasSelf<_>>(l, |host| host)?;
    random::insecure::add_to_linker::<_, HasSelf<_>>(l, |host| host)?;
    random::insecure_seed::add_to_linker::<_, HasSelf<_>>(l, |host| host)?;
    cli::exit::add_to_linker::<_, HasSelf<_>>(l, |host| host)?;
    cli::environment::add_to_linker::<_, WasiCli>(l, Host::cli)?;
    cli::stdin::add_to_linker::<_, WasiCli>(l, Host::cli)?;
    cli::stdout::add_to_linker::<_, WasiCli>(l, Host::cli)?;
    cli::stderr::add_to_linker::<_, WasiCli>(l, Host::cli)?;
    cli::terminal_input::add_to_linker::<_, WasiCli>(l, Host::cli)?;
    cli::terminal_output::add_to_linker::<_, WasiCli>(l, Host::cli)?;
    cli::terminal_stdin::add_to_linker::<_, WasiCli>(l, Host::cli)?;
    cli::terminal_stdout::add_to_linker::<_, WasiCli>(l, Host::cli)?;
    cli::terminal_stderr::add_to_linker::<_, WasiCli>(l, Host::cli)?;
    let options = sockets::network::LinkOptions::default();
    sockets::network::add_to_linker::<_, WasiSockets>(l, &options, Host::sockets)?;
    sockets::instance_network::add_to_linker::<_, WasiSockets>(l, Host::sockets)?;
    sockets::ip_name_lookup::add_to_linker::<_, WasiSockets>(l, Host::sockets)?;
    sockets::tcp::add_to_linker::<_, WasiSockets>(l, Host::sockets)?;
    sockets::tcp_create_socket::add_to_linker::<_, WasiSockets>(l, Host::sockets)?;
    sockets::udp::add_to_linker::<_, WasiSockets>(l, Host::sockets)?;
    sockets::udp_create_socket::add_to_linker::<_, WasiSockets>(l, Host::sockets)
}

impl World {
    /// The empty world of an instance, its clocks and randomness made from `seed`. Made on the first use of a WASI
    /// function, so that components without WASI pay nothing.
    pub(crate) fn new(seed: u64) -> Self {
        let (stdout, stderr) = (Lines::default(), Lines::default());
        // Everything that the builder could let in is off unless it is switched on; said again where it would hurt.
        let ctx = WasiCtx::builder()
            .stdout(stdout.clone())
            .stderr(stderr.clone())
            .allow_tcp(false)
            .allow_udp(false)
            .allow_ip_name_lookup(false)
            .build();
        Self { ctx, clock: VirtualClock::default(), random: VirtualRandom::new(seed), stdout, stderr }
    }

    /// The lines that were written since the last time, each with the level of its stream.
    fn take_lines(&mut self) -> Vec<(log::Level, String)> {
        let out = self.stdout.take().into_iter().map(|line| (log::Level::Info, line));
        let err = self.stderr.take().into_iter().map(|line| (log::Level::Warn, line));
        out.chain(err).collect()
    }
}

impl cli::exit::Host for Host {
    fn exit(&mut self, status: Result<(), ()>) -> wasmtime::Result<()> {
        self.exit_with_code(status.map_or(1, |()| 0))
    }

    /// A component answers by returning: leaving in any other way is a failure, whatever the code says.
    fn exit_with_code(&mut self, code: u8) -> wasmtime::Result<()> {
        let message = format!("it called `exit` with code {code} instead of returning");
        Err(Ended(Box::new(Failure::new(FailureKind::Failed, message))).into())
    }
}
