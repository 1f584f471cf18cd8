//! What the connectors of databases share: tables in, one text for each cell out.
//!
//! A connector is left with its manifest and its [`Dialect`]: how its databases name their tables, describe and quote them.

mod cell;
mod document;
mod read;
mod server;
mod table;

pub use document::{About, Totals, finish};
pub use read::{Asked, Cells, Dialect, What, read};
pub use server::{Server, ServerConfig, ServerInfo, describe_server, finish_server, read_server};
pub use table::{Column, Table, filled, integer, quote, text};

use palisade_sdk::{Description, limit};

/// The limits that every connector of databases asks for.
#[must_use]
pub fn limits(description: Description) -> Description {
    description
        .limit(limit::FUEL, 10_000_000_000)
        // The host takes 60 for each byte of an item, and the shortest row of four bytes makes an item of 300.
        .limit(limit::FUEL_PER_INPUT_BYTE, 10_000)
        // What is held of a table, twice while it grows, and the largest row.
        .limit(limit::MEMORY, 256 << 20)
        .limit(limit::WALL, 3_600_000)
        .limit(limit::OUTPUT_BYTES, 256 << 20)
        // Names of tables and columns, which may be long, are in each item.
        .limit(limit::OUTPUT_BYTES_PER_INPUT_BYTE, 400)
        .limit(limit::ROWS, 10_000_000)
}
