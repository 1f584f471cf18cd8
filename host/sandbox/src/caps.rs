//! Cheap bounds on the structure of a component, looked at before a compiler sees a byte of it.
//!
//! Compiling takes time and memory that grow faster than the bytes (measured: 700 KB of nested blocks took 43 s). This
//! is one linear pass; the compile worker's limits on time and memory (`compile.rs`) hold for what passes it.

mod core_instances;

use crate::config::MAX_CORE_INSTANCES;
use core_instances::Counter;
use wasmparser::{BinaryReaderError, Encoding, Operator, Parser, Payload};

/// Most bytes of a component. The largest known are Python's, 18 MB.
pub const MAX_COMPONENT_BYTES: usize = 32 << 20;
/// Most core modules. Python has 38.
const MAX_MODULES: u64 = 64;
/// Most components inside of the component. `wit-component` makes one for each exported interface.
const MAX_COMPONENTS: u64 = 64;
/// How deep components and modules may sit in each other.
const MAX_NESTED: usize = 8;
/// Most functions of all modules. Python has 13,497; 50,000 tiny ones compile in 1.6 s.
const MAX_FUNCTIONS: u64 = 50_000;
/// Most bytes of one function. Python's largest has 427 KB.
const MAX_BODY_BYTES: usize = 512 << 10;
/// How deep blocks may nest in one function. A `match` nests once for each arm, so honest code may have hundreds; the
/// compiler's time grows with the square.
const MAX_BLOCKS: usize = 4_096;
/// Most loops in one function: 170,000 short ones in a row took more than 40 s and 1.7 GB.
const MAX_LOOPS: usize = 4_096;
/// How deep loops may nest in one function: 4,096 levels took 0.35 s for 12 KB.
const MAX_NESTED_LOOPS: usize = 128;
/// Most instances, of modules and components.
const MAX_INSTANCES: u64 = 1_000;
/// Most of everything else that sections declare: types, imports, exports, globals, segments, aliases.
const MAX_DECLARATIONS: u64 = 200_000;

/// Why bytes are not even looked at by the compiler.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CapsError {
    /// It is not WebAssembly in binary form.
    #[error("this is not a WebAssembly component: it does not begin like one")]
    NotWasm,
    /// It is a core module.
    #[error("this is a WebAssembly core module, not a component")]
    CoreModule,
    /// It can't be parsed.
    #[error("this WebAssembly component is broken at byte {offset}: {message}")]
    Broken {
        /// Where.
        offset: u64,
        /// What the parser says.
        message: String,
    },
    /// It instantiates a component that it does not contain.
    #[error("this component instantiates a component that it gets from outside, so it can't be bounded")]
    Opaque,
    /// There is too much of something.
    #[error("this component has {found} {what}, at most {most} are allowed")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How much there is, at least.
        found: u64,
        /// How much there may be.
        most: u64,
    },
}

/// Looks through the structure of a component; gives the number of core instances that instantiating it makes.
///
/// # Errors
/// When the bytes are no component, or there is too much of something.
pub(crate) fn check(bytes: &[u8]) -> Result<u32, CapsError> {
    at_most("bytes", bytes.len() as u64, MAX_COMPONENT_BYTES as u64)?;
    if !bytes.starts_with(b"\0asm") {
        return Err(CapsError::NotWasm);
    }
    let (mut counts, mut core_instances, mut makes) = (Counts::default(), Counter::default(), 0);
    for payload in Parser::new(0).parse_all(bytes) {
        let payload = payload?;
        counts.add(&payload)?;
        makes = core_instances.add(&payload)?.unwrap_or(makes);
    }
    at_most("core instances", makes, u64::from(MAX_CORE_INSTANCES))?;
    Ok(u32::try_from(makes).unwrap_or(u32::MAX))
}

/// What was found so far.
#[derive(Debug, Default)]
struct Counts {
    begun: bool,
    nested: usize,
    modules: u64,
    components: u64,
    functions: u64,
    instances: u64,
    declarations: u64,
}

impl Counts {
    fn add(&mut self, payload: &Payload<'_>) -> Result<(), CapsError> {
        match payload {
            Payload::Version { encoding: Encoding::Module, .. } if !self.begun => return Err(CapsError::CoreModule),
            Payload::Version { .. } => self.begun = true,
            Payload::ModuleSection { .. } => {
                self.modules += 1;
                self.nested += 1;
            }
            Payload::ComponentSection { .. } => {
                self.components += 1;
                self.nested += 1;
            }
            Payload::End(_) => self.nested = self.nested.saturating_sub(1),
            Payload::FunctionSection(section) => self.functions += u64::from(section.count()),
            Payload::CodeSectionEntry(body) => return check_body(body),
            Payload::InstanceSection(section) => self.instances += u64::from(section.count()),
            Payload::ComponentInstanceSection(section) => self.instances += u64::from(section.count()),
            other => self.declarations += declarations(other),
        }
        at_most("core modules", self.modules, MAX_MODULES)?;
        at_most("nested components", self.components, MAX_COMPONENTS)?;
        at_most("levels of nesting", self.nested as u64, MAX_NESTED as u64)?;
        at_most("functions", self.functions, MAX_FUNCTIONS)?;
        at_most("instances", self.instances, MAX_INSTANCES)?;
        at_most("declarations", self.declarations, MAX_DECLARATIONS)
    }
}

fn declarations(payload: &Payload<'_>) -> u64 {
    u64::from(match payload {
        Payload::TypeSection(section) => section.count(),
        Payload::ImportSection(section) => section.count(),
        Payload::TableSection(section) => section.count(),
        Payload::MemorySection(section) => section.count(),
        Payload::TagSection(section) => section.count(),
        Payload::GlobalSection(section) => section.count(),
        Payload::ExportSection(section) => section.count(),
        Payload::ElementSection(section) => section.count(),
        Payload::DataSection(section) => section.count(),
        Payload::CoreTypeSection(section) => section.count(),
        Payload::ComponentAliasSection(section) => section.count(),
        Payload::ComponentTypeSection(section) => section.count(),
        Payload::ComponentCanonicalSection(section) => section.count(),
        Payload::ComponentImportSection(section) => section.count(),
        Payload::ComponentExportSection(section) => section.count(),
        _ => 0,
    })
}

fn check_body(body: &wasmparser::FunctionBody<'_>) -> Result<(), CapsError> {
    at_most("bytes in one function", body.range().len() as u64, MAX_BODY_BYTES as u64)?;
    // For each open block, whether it is a loop.
    let mut open = Vec::new();
    let (mut loops, mut nested_loops) = (0_usize, 0_usize);
    let mut operators = body.get_operators_reader()?;
    while !operators.eof() {
        let operator = operators.read()?;
        match operator {
            Operator::Block { .. } | Operator::Loop { .. } | Operator::If { .. } | Operator::TryTable { .. } => {
                let is_loop = matches!(operator, Operator::Loop { .. });
                open.push(is_loop);
                loops += usize::from(is_loop);
                nested_loops += usize::from(is_loop);
                at_most("blocks nested in one function", open.len() as u64, MAX_BLOCKS as u64)?;
                at_most("loops in one function", loops as u64, MAX_LOOPS as u64)?;
                at_most("loops nested in one function", nested_loops as u64, MAX_NESTED_LOOPS as u64)?;
            }
            Operator::End => nested_loops -= usize::from(open.pop() == Some(true)),
            _ => {}
        }
    }
    Ok(())
}

fn at_most(what: &'static str, found: u64, most: u64) -> Result<(), CapsError> {
    if found > most { Err(CapsError::TooMany { what, found, most }) } else { Ok(()) }
}

impl From<BinaryReaderError> for CapsError {
    fn from(error: BinaryReaderError) -> Self {
        Self::Broken { offset: error.offset() as u64, message: error.message().to_owned() }
    }
}
