//! Bindings of the handler alone: all of `wasi:http/types` is wasmtime-wasi-http's.

wasmtime::component::bindgen!({
    path: "../../wit",
    inline: r"
        package palisade:host-http;
        world web {
            import wasi:http/outgoing-handler@0.2.12;
        }
    ",
    world: "palisade:host-http/web",
    imports: { default: trappable },
    require_store_data_send: true,
    with: {
        "wasi:io": wasmtime_wasi_io::bindings::wasi::io,
        "wasi:clocks": wasmtime_wasi::p2::bindings::clocks,
        "wasi:http/types": wasmtime_wasi_http::p2::bindings::http::types,
    },
});

pub(super) use wasi::http::outgoing_handler;
