//! Uses all that an attempt gets: output, memory, fuel, in this order, each up to a small rest. It ends well, so that the
//! step after it has as much to read as there can be.

use palisade_sdk::{Context, Result, limit};

/// Bytes of an emitted item, its line feed included.
const ITEM_BYTES: usize = 1_000;
/// Bytes of output that are left for the metadata of both outputs.
const METADATA_BYTES: u64 = 200;
/// Pages of memory that are left for what the host is told in one call.
const PAGES_LEFT: u64 = 4;
const PAGE_BYTES: u64 = 64 << 10;
/// Fuel that an instance takes beside its loop, and more for each byte that it reads or emits: measured, and a little added.
const FUEL_OF_INSTANCE: u64 = 400_000;
const FUEL_OF_READ_BYTE: u64 = 10;
const FUEL_OF_EMITTED_BYTE: u64 = 80;

/// Over all inputs; an attempt of one instance.
pub(crate) fn run(ctx: &Context, fuel_of_a_thousand: u64) -> Result<()> {
    let mut read = 0;
    for reader in ctx.inputs("texts").chain(ctx.inputs("more")) {
        read += reader.info().byte_count;
        reader.for_each(|_| Ok(()))?;
    }
    use_all(ctx, read, fuel_of_a_thousand)
}

/// Over nothing.
pub(crate) fn finish(ctx: &Context, fuel_of_a_thousand: u64) -> Result<()> {
    use_all(ctx, 0, fuel_of_a_thousand)
}

fn use_all(ctx: &Context, read: u64, fuel_of_a_thousand: u64) -> Result<()> {
    let limits = ctx.limits();
    let granted = |name: &str| limits.get(name).unwrap_or(0);
    let grown = |base, per_byte| granted(base) + granted(per_byte) * read;
    let output = grown(limit::OUTPUT_BYTES, limit::OUTPUT_BYTES_PER_INPUT_BYTE).saturating_sub(METADATA_BYTES);
    emit(ctx, usize::try_from(output).unwrap_or(0))?;
    let kept = take_memory(granted(limit::MEMORY));
    let elsewhere = FUEL_OF_INSTANCE + FUEL_OF_READ_BYTE * read + FUEL_OF_EMITTED_BYTE * output;
    burn(grown(limit::FUEL, limit::FUEL_PER_INPUT_BYTE).saturating_sub(elsewhere) / fuel_of_a_thousand);
    std::hint::black_box(kept);
    Ok(())
}

/// Items of a thousand bytes, of which the last is as much longer as it takes.
fn emit(ctx: &Context, bytes: usize) -> Result<()> {
    let (before, after) = (r#"{"content":""#, r#"","metadata":{"source":"x"}}"#);
    // With its line feed.
    let line = |bytes: usize| format!("{before}{}{after}", "x".repeat(bytes - 1 - before.len() - after.len()));
    let Some(all_but_last) = (bytes / ITEM_BYTES).checked_sub(1) else { return Ok(()) };
    let usual = line(ITEM_BYTES);
    for _ in 0..all_but_last {
        ctx.emit_line("texts", &usual)?;
    }
    ctx.emit_line("texts", &line(bytes - all_but_last * ITEM_BYTES))?;
    ctx.flush()
}

/// Takes what is left of the memory, without touching it.
fn take_memory(most: u64) -> Vec<u8> {
    #[cfg(target_family = "wasm")]
    let pages = core::arch::wasm32::memory_size::<0>() as u64;
    #[cfg(not(target_family = "wasm"))]
    let pages = 0;
    let left = (most / PAGE_BYTES).saturating_sub(pages + PAGES_LEFT);
    Vec::with_capacity((left * PAGE_BYTES) as usize)
}

/// Turns a loop that no compiler can shorten.
fn burn(thousands: u64) {
    for turn in 0..thousands * 1_000 {
        std::hint::black_box(turn);
    }
}
