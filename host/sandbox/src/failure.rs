//! Turns the end of a guest into a failure, by the types of errors and never by their texts.

use crate::bindings::exports::palisade::plugin::step;
use crate::config::STACK_BYTES;
use crate::state::{Ended, Host};
use crate::symbols::{Frame, Symbols};
use palisade_model::{Failure, FailureKind, LimitKind};
use wasmtime::component::ResourceTableError;
use wasmtime::{Error, PoolConcurrencyLimitError, Trap, WasmBacktrace};

/// The failure of a guest that was ended, by itself or by the host.
///
/// What a host function has found final comes first: a guest that is over its output limit and then traps has failed
/// for the limit.
pub(crate) fn of_error(error: &Error, host: &mut Host, symbols: Option<&Symbols>) -> Failure {
    if let Some(failure) = host.take_failed() {
        return failure;
    }
    if let Some(Ended(failure)) = error.downcast_ref::<Ended>() {
        return (**failure).clone();
    }
    if let Some(ResourceTableError::Full) = error.downcast_ref::<ResourceTableError>() {
        return host.meter.reached(LimitKind::Handles, None);
    }
    if error.is::<PoolConcurrencyLimitError>() {
        return Failure::new(FailureKind::Host, "too many components are running at once");
    }
    if host.lifting && is_about_bytes(error) {
        return host.meter.reached(LimitKind::CallBytes, None);
    }
    Failure::new(FailureKind::Trap { frames: frames(error, symbols) }, trap_message(error, host))
}

/// The failure that a guest returned as a value, or for which it could not go on.
pub(crate) fn of_guest(failure: step::Failure, host: &mut Host) -> Failure {
    if let Some(failed) = host.take_failed() {
        return failed;
    }
    let step::Failure { kind, message, at, help } = failure;
    let kind = match (kind, host.take_denied()) {
        // Whatever it says: it was denied something and then gave up.
        (_, Some(denied)) => denied.kind,
        (step::FailureKind::BadConfig, None) => FailureKind::BadConfig,
        (step::FailureKind::BadInput, None) => FailureKind::BadInput,
        (step::FailureKind::Unavailable, None) => FailureKind::Unavailable,
        (step::FailureKind::Failed, None) => FailureKind::Failed,
    };
    Failure { kind, message, at: at.map(|place| (place.port, place.item)), help }
}

/// Whether reading values out of a guest failed for their number of bytes.
///
/// Wasmtime's error for that has a type that can't be named. All other errors of this kind are messages, errors of
/// known types or traps; a test shows the difference.
fn is_about_bytes(error: &Error) -> bool {
    let is_message = error.is::<String>() || error.is::<&'static str>();
    let is_text_error = error.is::<std::str::Utf8Error>() || error.is::<std::string::FromUtf8Error>();
    !is_message && !is_text_error && !error.is::<Trap>()
}

fn trap_message(error: &Error, host: &mut Host) -> String {
    match error.downcast_ref::<Trap>() {
        // The panic hook of the SDK logs the panic's text, then the guest traps.
        Some(Trap::UnreachableCodeReached) => match host.take_last_error() {
            Some(panic) => panic,
            None => "it aborted without a word".to_owned(),
        },
        Some(Trap::StackOverflow) => {
            format!("it recursed deeper than its call stack of {} KiB allows", STACK_BYTES >> 10)
        }
        Some(trap) => format!("it trapped: {trap}"),
        None => match error.downcast_ref::<wasmtime_wasi::I32Exit>() {
            Some(exit) => format!("it ended itself with exit code {}", exit.0),
            None => format!("it trapped: {}", error.root_cause()),
        },
    }
}

fn frames(error: &Error, symbols: Option<&Symbols>) -> Vec<String> {
    let Some(backtrace) = error.downcast_ref::<WasmBacktrace>() else { return Vec::new() };
    let frames = backtrace.frames().iter().filter_map(|frame| {
        let module = frame.module().name();
        // Modules that the encoder of components makes to join the others.
        if module.is_some_and(|name| name.starts_with("wit-component:")) {
            return None;
        }
        let offset = frame.func_offset().and_then(|offset| u32::try_from(offset).ok());
        Some(Frame { function: frame.func_index(), offset, name: frame.func_name().map(str::to_owned) })
    });
    Symbols::resolve(symbols, frames)
}
