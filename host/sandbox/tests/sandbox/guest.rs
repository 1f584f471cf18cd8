//! Makes components from a few lines of WebAssembly text, for tests and benchmarks.
//!
//! The frame (memory, allocator, a manifest, `run` and `finish` that return nothing) is always the same; a test says
//! what differs. Function bodies are text in the canonical ABI, see `docs/design`.

use std::fmt::Write as _;
use std::path::Path;
use wasm_encoder::{
    Alias, ComponentAliasSection, ComponentExportKind, ComponentExportSection, ComponentImportSection,
    ComponentInstanceSection, ComponentSectionId, ComponentTypeRef, ComponentTypeSection, ComponentValType,
    InstanceType, PrimitiveValType, TypeBounds,
};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// Where the results of calls are put, zero in the beginning: read as a result it says `ok`, with an empty list.
const ANSWER: u32 = 1_024;
/// Where the manifest lies.
const MANIFEST: u32 = 4_096;

/// A component to be.
#[derive(Clone)]
pub(crate) struct Guest {
    world: &'static str,
    imports: String,
    globals: String,
    memory_pages: u32,
    describe: String,
    run: String,
    finish: String,
    pub(crate) manifest: Description,
}

/// What it says of itself.
#[derive(Clone)]
pub(crate) struct Description {
    pub(crate) id: String,
    pub(crate) version: String,
    pub(crate) title: String,
    pub(crate) kind: String,
    pub(crate) accepts: Vec<String>,
    pub(crate) emits: Vec<String>,
    pub(crate) config_schema: String,
    pub(crate) requests: Vec<(String, String)>,
    pub(crate) limits: Vec<(String, u64)>,
    pub(crate) attributes: Vec<(String, String)>,
}

impl Default for Guest {
    fn default() -> Self {
        Self {
            world: "analyser",
            imports: String::new(),
            globals: String::new(),
            memory_pages: 2,
            describe: format!("(i32.const {MANIFEST})"),
            run: String::new(),
            finish: String::new(),
            manifest: Description {
                id: "test:guest".into(),
                version: "1.0.0".into(),
                title: "Guest".into(),
                kind: "analyser".into(),
                accepts: vec!["standard_input/1".into()],
                emits: vec!["test.out/1.0.0".into()],
                config_schema: r#"{"type":"object"}"#.into(),
                requests: vec![],
                limits: vec![],
                attributes: vec![],
            },
        }
    }
}

impl Guest {
    /// A component whose `run` does that; `$inputs`, `$count`, `$config` and `$config_len` are its parameters, `$i` and
    /// `$j` are free.
    pub(crate) fn running(run: &str) -> Self {
        Self { run: run.into(), ..Self::default() }
    }

    /// Of another world than `analyser`.
    pub(crate) fn of_world(mut self, world: &'static str) -> Self {
        self.world = world;
        self
    }

    /// Imports a function of an interface of `palisade:plugin` under the name `$function`.
    pub(crate) fn importing(mut self, interface: &str, function: &str, ty: &str) -> Self {
        let name = function.rsplit([']', '.']).next().unwrap_or(function);
        let _ = writeln!(self.imports, r#"(import "{interface}" "{function}" (func ${name} {ty}))"#);
        self
    }

    /// Imports `log.write` as `$write`.
    pub(crate) fn logging(self) -> Self {
        self.importing("palisade:plugin/log@0.1.0", "write", "(param i32 i32 i32)")
    }

    /// Imports `artifacts.emit` as `$emit`.
    pub(crate) fn emitting(self) -> Self {
        self.importing("palisade:plugin/artifacts@0.1.0", "emit", "(param i32 i32 i32 i32 i32)")
    }

    /// Imports `reader.next` as `$next`.
    pub(crate) fn reading(self) -> Self {
        self.importing("palisade:plugin/artifacts@0.1.0", "[method]reader.next", "(param i32 i32 i32)")
    }

    /// Declares what stands in the module beside functions.
    pub(crate) fn with(mut self, globals: &str) -> Self {
        self.globals.push_str(globals);
        self
    }

    /// With that many pages of memory in the beginning.
    pub(crate) fn with_memory(mut self, pages: u32) -> Self {
        self.memory_pages = pages;
        self
    }

    /// With that body of `finish`.
    pub(crate) fn finishing(mut self, finish: &str) -> Self {
        self.finish = finish.into();
        self
    }

    /// With that body of `describe`, before the manifest's address.
    pub(crate) fn describing(mut self, before: &str) -> Self {
        self.describe = format!("{before} {}", self.describe);
        self
    }

    /// The core module as text.
    pub(crate) fn text(&self) -> String {
        let Self { imports, globals, memory_pages, describe, run, finish, .. } = self;
        let image = self.manifest.image();
        let manifest: String = image.iter().map(|byte| format!("\\{byte:02x}")).collect();
        let heap = (MANIFEST + u32::try_from(image.len()).unwrap()).next_multiple_of(4_096);
        format!(
            r#"(module
                {imports}
                (memory (export "memory") {memory_pages})
                (data (i32.const {MANIFEST}) "{manifest}")
                (global $heap (mut i32) (i32.const {heap}))
                {globals}
                (func $alloc (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (local $p i32)
                    (local.set $p (i32.and (i32.add (global.get $heap) (i32.const 7)) (i32.const -8)))
                    (global.set $heap (i32.add (local.get $p) (local.get 3)))
                    (block $enough (loop $more
                        (br_if $enough (i32.le_u (global.get $heap) (i32.mul (memory.size) (i32.const 65536))))
                        (if (i32.eq (memory.grow (i32.const 1)) (i32.const -1)) (then unreachable))
                        (br $more)))
                    (local.get $p))
                (func (export "palisade:plugin/manifest@0.1.0#describe") (result i32) (local $i i32) {describe})
                (func $run (export "palisade:plugin/step@0.1.0#run")
                    (param $inputs i32) (param $count i32) (param $config i32) (param $config_len i32) (result i32)
                    (local $i i32) (local $j i32)
                    {run}
                    (i32.const {ANSWER}))
                (func (export "palisade:plugin/step@0.1.0#finish")
                    (param $partials i32) (param $count i32) (param $config i32) (param $config_len i32) (result i32)
                    (local $i i32) (local $j i32)
                    {finish}
                    (i32.const {ANSWER}))
            )"#
        )
    }

    /// The component.
    pub(crate) fn build(&self) -> Vec<u8> {
        encode(&self.text(), self.world)
    }
}

/// Makes a component of a core module in text, for a world of `wit/`.
/// A text that begins with `package` is a world of its own, named `it`.
pub(crate) fn encode(text: &str, world: &str) -> Vec<u8> {
    let mut module = wat::parse_str(text).unwrap();
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wit")).unwrap();
    let world = if world.starts_with("package") {
        let package = resolve.push_str("it.wit", world).unwrap();
        resolve.select_world(&[package], Some("it")).unwrap()
    } else {
        resolve.select_world(&[package], Some(world)).unwrap()
    };
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
    ComponentEncoder::default().module(&module).unwrap().validate(true).encode().unwrap()
}

/// Wraps a core module in text into a component as it is, valid or not.
pub(crate) fn encode_unchecked(text: &str) -> Vec<u8> {
    let module = wat::parse_str(text).unwrap();
    let mut component = wasm_encoder::Component::new();
    component.section(&wasm_encoder::RawSection { id: ComponentSectionId::CoreModule.into(), data: &module });
    component.finish()
}

impl Description {
    /// The record as it lies in memory.
    fn image(&self) -> Vec<u8> {
        let mut image = Image { bytes: vec![0; 96] };
        for (at, text) in
            [(0, &self.id), (8, &self.version), (16, &self.title), (24, &self.title), (32, &self.kind)].into_iter()
        {
            image.text(at, text);
        }
        image.text(56, &self.config_schema);
        let inputs: Vec<_> =
            (!self.accepts.is_empty()).then_some(("documents", &self.accepts, 2)).into_iter().collect();
        let outputs: Vec<_> = (!self.emits.is_empty()).then_some(("out", &self.emits, 0)).into_iter().collect();
        for (at, ports) in [(40, inputs), (48, outputs)] {
            let list = image.list(at, ports.len(), 48);
            for (index, (name, schemas, arity)) in ports.into_iter().enumerate() {
                let port = list + index * 48;
                image.text(port, name);
                let names = image.list(port + 8, schemas.len(), 8);
                for (index, schema) in schemas.iter().enumerate() {
                    image.text(names + index * 8, schema);
                }
                image.bytes[port + 16] = arity;
                image.bytes[port + 17] = 1;
            }
        }
        let requests = image.list(72, self.requests.len(), 28);
        for (index, (power, reason)) in self.requests.iter().enumerate() {
            image.text(requests + index * 28, power);
            image.text(requests + index * 28 + 16, reason);
        }
        let limits = image.list(80, self.limits.len(), 16);
        for (index, (name, value)) in self.limits.iter().enumerate() {
            image.text(limits + index * 16, name);
            image.bytes[limits + index * 16 + 8..][..8].copy_from_slice(&value.to_le_bytes());
        }
        let attributes = image.list(88, self.attributes.len(), 16);
        for (index, (name, value)) in self.attributes.iter().enumerate() {
            image.text(attributes + index * 16, name);
            image.text(attributes + index * 16 + 8, value);
        }
        image.bytes
    }
}

/// Memory from [`MANIFEST`] on.
struct Image {
    bytes: Vec<u8>,
}

impl Image {
    fn text(&mut self, at: usize, text: &str) {
        let place = self.bytes.len();
        self.bytes.extend(text.as_bytes());
        self.bytes.resize(self.bytes.len().next_multiple_of(8), 0);
        self.slice(at, place, text.len());
    }

    fn list(&mut self, at: usize, count: usize, size: usize) -> usize {
        let place = self.bytes.len();
        self.bytes.resize((place + count * size).next_multiple_of(8), 0);
        self.slice(at, place, count);
        place
    }

    fn slice(&mut self, at: usize, place: usize, count: usize) {
        let place = MANIFEST + u32::try_from(place).unwrap();
        self.bytes[at..][..4].copy_from_slice(&place.to_le_bytes());
        self.bytes[at + 4..][..4].copy_from_slice(&u32::try_from(count).unwrap().to_le_bytes());
    }
}

impl Guest {
    /// A component that holds two instances of this one and exports what the first does.
    pub(crate) fn build_twice(&self) -> Vec<u8> {
        const TYPES: &str = "palisade:plugin/types@0.1.0";
        const ARTIFACTS: &str = "palisade:plugin/artifacts@0.1.0";
        let (mut amounts, mut reader) = (InstanceType::new(), InstanceType::new());
        let fields = [("name", PrimitiveValType::String), ("value", PrimitiveValType::U64)];
        amounts.ty().defined_type().record(fields.map(|(name, ty)| (name, ComponentValType::Primitive(ty))));
        amounts.export("amount", ComponentTypeRef::Type(TypeBounds::Eq(0)));
        reader.export("reader", ComponentTypeRef::Type(TypeBounds::SubResource));
        let (mut types, mut imports) = (ComponentTypeSection::new(), ComponentImportSection::new());
        let mut instances = ComponentInstanceSection::new();
        for (index, (name, ty)) in [(TYPES, &amounts), (ARTIFACTS, &reader)].into_iter().enumerate() {
            types.instance(ty);
            imports.import(name, ComponentTypeRef::Instance(u32::try_from(index).unwrap()));
        }
        for _ in 0..2 {
            let given = [(TYPES, ComponentExportKind::Instance, 0), (ARTIFACTS, ComponentExportKind::Instance, 1)];
            instances.instantiate(0, given);
        }
        let (mut aliases, mut exports) = (ComponentAliasSection::new(), ComponentExportSection::new());
        for (index, name) in ["palisade:plugin/manifest@0.1.0", "palisade:plugin/step@0.1.0"].into_iter().enumerate() {
            aliases.alias(Alias::InstanceExport { instance: 2, kind: ComponentExportKind::Instance, name });
            exports.export(name, ComponentExportKind::Instance, 4 + u32::try_from(index).unwrap(), None);
        }
        let inner = self.build();
        let mut component = wasm_encoder::Component::new();
        component
            .section(&types)
            .section(&imports)
            .section(&wasm_encoder::RawSection { id: ComponentSectionId::Component.into(), data: &inner })
            .section(&instances)
            .section(&aliases)
            .section(&exports);
        component.finish()
    }
}
