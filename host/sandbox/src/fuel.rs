//! Fuel of one instance, taken from the attempt's meter in slices, and the one place where host calls are charged.
//!
//! An instance holds at most one slice at a time, so that instances which work for one attempt share its fuel while
//! they run. Wasmtime yields when a slice is used up; the call hook sees that first and brings the next one.

use crate::state::{Ended, Host};
use wasmtime::{AsContext, AsContextMut, CallHook, StoreContextMut};

/// Fuel that an instance takes at once, and between two looks at the clock: 0.5 to 0.8 ms of running. Measured: yields
/// at each 10 million cost no time, at each 100,000 12 %.
const SLICE: u64 = 10_000_000;

/// Fuel that the store shows beside the slice and that never is used. Wasmtime rounds a store that used more than it
/// had (one bulk operation can cost a gigabyte) up to zero; with a cushion the difference can be seen and is paid.
const CUSHION: u64 = 1 << 40;

/// Gives a new store its first slice.
pub(crate) fn start(mut store: impl AsContextMut<Data = Host>) -> wasmtime::Result<()> {
    let mut store = store.as_context_mut();
    store.set_fuel(CUSHION)?;
    settle(store, 0)
}

/// Takes what was used since the last settlement and gives back the rest of the slice.
pub(crate) fn end(mut store: impl AsContextMut<Data = Host>) -> wasmtime::Result<()> {
    let mut store = store.as_context_mut();
    // A host call that was given up is not settled yet.
    let cost = store.data_mut().cost.take();
    let rest = rest(&store, cost)?;
    store.set_fuel(CUSHION)?;
    let meter = &store.data().meter;
    match rest {
        Rest::Left(left) => meter.return_fuel(left),
        Rest::Owed(owed) => {
            meter.take_fuel(owed, owed).map_err(|failure| Ended(Box::new(failure)))?;
        }
    }
    Ok(())
}

/// Runs at each crossing between guest and host, and at wasmtime's own calls, one of which yields when a slice is used up.
///
/// Others of those see an older, larger value, since the guest keeps its count in a register; it overwrites what is set
/// then. But for those between a return and the guest's next check, after which it pays a slice too much, every time alike.
pub(crate) fn hook(mut store: StoreContextMut<'_, Host>, crossing: CallHook) -> wasmtime::Result<()> {
    match crossing {
        CallHook::CallingHost => {
            store.data_mut().lifting = true;
            settle(store, 0)
        }
        CallHook::ReturningFromHost => {
            if let Some(over) = store.data_mut().take_over() {
                return Err(over.into());
            }
            let cost = store.data_mut().cost.take();
            settle(store, cost)
        }
        CallHook::CallingWasm => {
            store.data_mut().lifting = false;
            Ok(())
        }
        CallHook::ReturningFromWasm => {
            store.data_mut().lifting = true;
            Ok(())
        }
    }
}

/// Takes `cost` from the slice, and a new slice from the meter if that is not enough. A new slice is also the moment at
/// which a guest is seen to go on, be it by its own work or by the host's for it.
fn settle(mut store: StoreContextMut<'_, Host>, cost: u64) -> wasmtime::Result<()> {
    let (slice, until_yield) = match rest(&store, cost)? {
        Rest::Left(left) => (left, left),
        Rest::Owed(owed) => {
            store.data_mut().note_use();
            let taken = store.data().meter.take_fuel(owed, owed.saturating_add(SLICE));
            let slice = taken.map_err(|failure| Ended(Box::new(failure)))? - owed;
            (slice, 0)
        }
    };
    // In this order: wasmtime splits the fuel into what runs until the next yield and a reserve, and the interval says
    // where. So the guest stops at the end of the slice, with the cushion as its reserve; and at once where the host used up
    // the last one, or who only calls the host would never come to look at the clock.
    store.fuel_async_yield_interval(Some(until_yield.max(1)))?;
    store.set_fuel(CUSHION.saturating_add(slice))
}

/// What comes of a slice.
enum Rest {
    Left(u64),
    /// More was used than it had.
    Owed(u64),
}

/// What is left of the slice once `cost` is taken from it.
fn rest(store: &impl AsContext<Data = Host>, cost: u64) -> wasmtime::Result<Rest> {
    let shown = store.as_context().get_fuel()?;
    let spent = CUSHION.saturating_add(cost);
    Ok(shown.checked_sub(spent).map_or_else(|| Rest::Owed(spent - shown), Rest::Left))
}
