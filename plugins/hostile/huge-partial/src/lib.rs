//! Returns a partial state of any size from `run`: as many bytes as its config, a plain number, says. Written without the
//! SDK's `Analyser`, which would refuse to.

#[cfg(target_family = "wasm")]
mod guest {
    use palisade_sdk::bindings::exports::palisade::plugin::{manifest, step};

    struct HugePartial;

    impl manifest::Guest for HugePartial {
        fn describe() -> manifest::Description {
            manifest::Description {
                id: "hostile:huge-partial".to_owned(),
                version: "1.0.0".to_owned(),
                title: "Returns a huge partial state".to_owned(),
                description: String::new(),
                kind: "analyser".to_owned(),
                inputs: Vec::new(),
                outputs: Vec::new(),
                config_schema: "{}".to_owned(),
                schemas: Vec::new(),
                requests: Vec::new(),
                limits: Vec::new(),
                attributes: Vec::new(),
            }
        }
    }

    impl step::Guest for HugePartial {
        fn run(_: Vec<step::Input>, config: String) -> Result<Vec<u8>, step::Failure> {
            Ok(vec![b'x'; config.parse().unwrap_or(0)])
        }

        fn finish(_: Vec<Vec<u8>>, _: String) -> Result<Vec<step::OutputMetadata>, step::Failure> {
            Ok(Vec::new())
        }
    }

    palisade_sdk::bindings::export!(HugePartial with_types_in palisade_sdk::bindings);
}
