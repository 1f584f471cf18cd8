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
    let cost = store.data_mut().cost.take();
    if cost > 0 || left(&store)? < 0 {
        settle(store.as_context_mut(), cost)?;
    }
    let left = left(&store)?;
    store.set_fuel(CUSHION)?;
    store.data().meter.return_fuel(u64::try_from(left).unwrap_or(0));
    Ok(())
}

/// Runs at each crossing between guest and host.
pub(crate) fn hook(mut store: StoreContextMut<'_, Host>, crossing: CallHook) -> wasmtime::Result<()> {
    match crossing {
        CallHook::CallingHost => {
            store.data_mut().lifting = true;
            // The slice is used up: this is wasmtime's call that yields. Other calls see an older, larger value; but for
            // those between a return and the guest's next check, after which it pays a slice too much, every time alike.
            if left(&store)? > 0 {
                return Ok(());
            }
            store.data_mut().note_use();
            settle(store, 0)
        }
        CallHook::ReturningFromHost => {
            if let Some(over) = store.data_mut().take_over() {
                return Err(over.into());
            }
            let cost = store.data_mut().cost.take();
            // Nothing is set after calls that cost nothing: in wasmtime's own, the guest keeps its count in a register.
            if cost > 0 { settle(store, cost) } else { Ok(()) }
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
    let left = i128::from(left(&store)?) - i128::from(cost);
    let slice = match u64::try_from(left) {
        Ok(left) if left > 0 => left,
        _ => {
            let owed = u64::try_from(-left).unwrap_or(u64::MAX);
            if cost > 0 {
                store.data_mut().note_use();
            }
            let taken = store.data().meter.take_fuel(owed.saturating_add(1), owed.saturating_add(SLICE));
            taken.map_err(|failure| Ended(Box::new(failure)))? - owed
        }
    };
    // In this order: wasmtime splits the fuel into what runs until the next yield and a reserve, and the interval says
    // where. So the guest stops exactly at the end of the slice, with the cushion as its reserve.
    store.fuel_async_yield_interval(Some(slice.max(1)))?;
    store.set_fuel(CUSHION.saturating_add(slice))
}

/// What is left of the slice; negative if more was used.
fn left(store: &impl AsContext<Data = Host>) -> wasmtime::Result<i64> {
    let fuel = store.as_context().get_fuel()?;
    Ok(i64::try_from(fuel).unwrap_or(i64::MAX) - CUSHION as i64)
}
