//! Bindings made from `wit/palisade.wit`: all of its own interfaces, and the two that components export.
//!
//! `wasi:filesystem` is bound where it is implemented, in `import/filesystem.rs`.

wasmtime::component::bindgen!({
    path: "../../wit",
    inline: r"
        package palisade:host;
        world guest {
            import palisade:plugin/limits@0.1.0;
            import palisade:plugin/log@0.1.0;
            import palisade:plugin/artifacts@0.1.0;
            import palisade:plugin/attempt@0.1.0;
            import palisade:plugin/sql@0.1.0;
            import palisade:plugin/tools@0.1.0;
            import palisade:plugin/runbooks@0.1.0;
            import palisade:plugin/llm@0.1.0;
            export palisade:plugin/manifest@0.1.0;
            export palisade:plugin/step@0.1.0;
        }
    ",
    world: "palisade:host/guest",
    imports: { default: trappable },
    exports: { default: async },
    with: {
        "palisade:plugin/artifacts.reader": crate::import::artifacts::Reader,
        "palisade:plugin/sql.rows": crate::import::sql::OpenRows,
    },
});

pub(crate) use palisade::plugin::types::{Error, ErrorKind};
