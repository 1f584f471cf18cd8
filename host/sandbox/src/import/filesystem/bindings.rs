//! Bindings of `wasi:filesystem`; its streams and times are those of the WASI base.

wasmtime::component::bindgen!({
    path: "../../wit",
    inline: r"
        package palisade:host-files;
        world files {
            import wasi:filesystem/types@0.2.12;
            import wasi:filesystem/preopens@0.2.12;
        }
    ",
    world: "palisade:host-files/files",
    imports: { default: trappable },
    require_store_data_send: true,
    trappable_error_type: { "wasi:filesystem/types.error-code" => crate::import::filesystem::FsError },
    with: {
        "wasi:io/error": wasmtime_wasi_io::bindings::wasi::io::error,
        "wasi:io/poll": wasmtime_wasi_io::bindings::wasi::io::poll,
        "wasi:io/streams": wasmtime_wasi_io::bindings::wasi::io::streams,
        "wasi:clocks/wall-clock": wasmtime_wasi::p2::bindings::clocks::wall_clock,
        "wasi:filesystem/types.descriptor": crate::import::filesystem::Descriptor,
        "wasi:filesystem/types.directory-entry-stream": crate::import::filesystem::OpenListing,
    },
});
