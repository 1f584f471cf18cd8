//! Owns making a component from a core module: strip, encode, keep the symbols apart. Never runs either.

use wasm_encoder::{ComponentSection, RawSection};
use wasmparser::{Chunk, Parser, Payload};
use wit_component::ComponentEncoder;

/// Deepest nesting of components that is stripped; the encoder makes two levels.
const MAX_DEPTH: u32 = 8;

/// How the exports of every analyser begin, whatever the version of the interface.
const ANALYSER: &str = "palisade:plugin/manifest@";

/// A guest as it is installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuiltGuest {
    /// Name of the package.
    pub name: String,
    /// The component. Names no path, no author's machine and no tool.
    pub component: Vec<u8>,
    /// The core module with names and line tables. Its code section has the same bytes as the component's, so offsets
    /// into that section (wasm backtraces, DWARF addresses) hold for both.
    pub symbols: Vec<u8>,
}

/// Why no component could be made.
#[derive(Debug, thiserror::Error)]
pub enum ComponentError {
    /// The bytes are not wasm.
    #[error("the compiler's output is not a valid wasm module")]
    Parse(#[source] wasmparser::BinaryReaderError),
    /// The bytes are a component already, or something else than a core module.
    #[error("expected a core module, found a component")]
    NotAModule,
    /// It carries no world: nothing exports an analyser from it.
    #[error("the module exports no analyser")]
    NoInterface,
    /// It does not fit a world of the plugin interface.
    #[error("the module does not fit the plugin interface: {reason}")]
    Encode {
        /// The encoder's chain of reasons.
        reason: String,
    },
    /// The bytes end within a section.
    #[error("the module ends within a section")]
    Truncated,
    /// Components are nested deeper than the encoder makes them.
    #[error("components are nested too deep")]
    TooDeep,
}

/// Makes a component from a core module that carries its world, as `wit-bindgen` leaves it. Validates the result.
pub fn componentise(name: &str, core: Vec<u8>) -> Result<BuiltGuest, ComponentError> {
    if !Parser::is_core_wasm(&core) {
        return Err(ComponentError::NotAModule);
    }
    let module = strip(&core, &|section| section.starts_with("component-type"), 0)?;
    // Without its world, the encoder would make an empty component; without the exports, one that fits no world.
    if !has_interface(&module) {
        return Err(ComponentError::NoInterface);
    }
    let component = ComponentEncoder::default()
        .module(&module)
        .and_then(|encoder| encoder.validate(true).encode())
        .map_err(|error| ComponentError::Encode { reason: format!("{error:#}") })?;
    Ok(BuiltGuest { name: name.to_owned(), component: strip(&component, &|_| false, 0)?, symbols: core })
}

/// Whether a module tells its world (in whatever custom section is left) and exports an analyser.
fn has_interface(module: &[u8]) -> bool {
    let (mut tells_world, mut exports) = (false, false);
    for payload in Parser::new(0).parse_all(module).flatten() {
        match payload {
            Payload::CustomSection(_) => tells_world = true,
            Payload::ExportSection(section) => {
                exports = section.into_iter().flatten().any(|export| export.name.starts_with(ANALYSER));
            }
            _ => {}
        }
    }
    tells_world && exports
}

/// Copies a module or component without its custom sections, nested ones included, but those that `keep` names.
fn strip(wasm: &[u8], keep: &dyn Fn(&str) -> bool, depth: u32) -> Result<Vec<u8>, ComponentError> {
    if depth > MAX_DEPTH {
        return Err(ComponentError::TooDeep);
    }
    let mut parser = Parser::new(0);
    let mut stripped = Vec::with_capacity(wasm.len());
    let mut at = 0;
    loop {
        let rest = wasm.get(at..).unwrap_or_default();
        let Chunk::Parsed { consumed, payload } = parser.parse(rest, true).map_err(ComponentError::Parse)? else {
            return Err(ComponentError::Truncated);
        };
        at += consumed;
        if let Payload::End(_) = payload {
            return Ok(stripped);
        }
        let Some((id, range)) = payload.as_section() else {
            // The version: the only payload before the end that is no section, as bodies are skipped below.
            stripped.extend_from_slice(rest.get(..consumed).unwrap_or_default());
            continue;
        };
        let data = wasm.get(range.clone()).ok_or(ComponentError::Truncated)?;
        match &payload {
            Payload::CustomSection(section) if !keep(section.name()) => continue,
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => {
                RawSection { id, data: &strip(data, keep, depth + 1)? }.append_to_component(&mut stripped);
                at = range.end;
                continue;
            }
            Payload::CodeSectionStart { .. } => {
                parser.skip_section();
                at = range.end;
            }
            _ => {}
        }
        RawSection { id, data }.append_to_component(&mut stripped);
    }
}

#[cfg(test)]
mod tests {
    use wasm_encoder::{
        CodeSection, CustomSection, ExportKind, ExportSection, Function, FunctionSection, Module, TypeSection,
    };

    use super::*;

    fn module_with(custom: &[&str]) -> Vec<u8> {
        module_exporting("palisade:plugin/manifest@0.1.0#describe", custom)
    }

    fn module_exporting(name: &str, custom: &[&str]) -> Vec<u8> {
        let mut module = Module::new();
        let (mut types, mut functions, mut code) = (TypeSection::new(), FunctionSection::new(), CodeSection::new());
        let mut exports = ExportSection::new();
        exports.export(name, ExportKind::Func, 0);
        types.ty().function([], []);
        functions.function(0);
        let mut body = Function::new([]);
        body.instructions().end();
        code.function(&body);
        module.section(&types).section(&functions).section(&exports).section(&code);
        for name in custom {
            module.section(&CustomSection { name: (*name).into(), data: b"/home/somebody".into() });
        }
        module.finish()
    }

    #[test]
    fn custom_sections_go_and_the_rest_stays_byte_for_byte() {
        let stripped = strip(&module_with(&["name", "producers", ".debug_line"]), &|_| false, 0).unwrap();
        assert_eq!(stripped, module_with(&[]));
        let kept = strip(&module_with(&["name", "component-type:x"]), &|name| name.starts_with("component-type"), 0);
        assert_eq!(kept.unwrap(), module_with(&["component-type:x"]));
    }

    #[test]
    fn a_component_or_garbage_is_refused() {
        let component = wasm_encoder::Component::new().finish();
        assert!(matches!(componentise("x", component), Err(ComponentError::NotAModule)));
        assert!(matches!(componentise("x", b"hello".to_vec()), Err(ComponentError::NotAModule)));
        let mut cut = module_with(&[]);
        cut.truncate(cut.len() - 1);
        assert!(matches!(componentise("x", cut), Err(ComponentError::Parse(_) | ComponentError::Truncated)));
    }

    #[test]
    fn a_module_without_the_interface_is_refused() {
        assert!(matches!(componentise("x", module_with(&["name"])), Err(ComponentError::NoInterface)));
        let other = module_exporting("run", &["component-type:x"]);
        assert!(matches!(componentise("x", other), Err(ComponentError::NoInterface)));
        let broken = componentise("x", module_with(&["component-type:x"]));
        assert!(matches!(broken, Err(ComponentError::Encode { .. })), "{broken:?}");
    }
}
