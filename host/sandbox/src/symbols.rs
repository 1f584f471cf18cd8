//! Names and lines for the stack of a guest, from the symbol file that `plugin build` puts beside a component.
//!
//! The symbol file is the core module before it was stripped. A component without one still shows function numbers.
//! A broken or foreign symbol file makes a poor trace, never a failure.

use addr2line::Context;
use gimli::{Dwarf, EndianSlice, LittleEndian, SectionId};
use std::borrow::Cow;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use wasmparser::{KnownCustom, Name, Parser, Payload, TypeRef};

/// Most lines of a trace.
const MAX_LINES: usize = 32;
/// Most characters of a function's name: generic ones can fill a page.
const MAX_NAME_CHARS: usize = 200;
/// Where the standard library lies. What a panic passes through before it aborts lies there too, and so do functions
/// that panic for their caller: the innermost lines in it say nothing.
const STANDARD_LIBRARY: [&str; 4] = ["(std/src/", "(core/src/", "(alloc/src/", "(panic_abort/src/"];
/// How its functions are named, where no line is known.
const STANDARD_NAMES: [&str; 5] = ["std::", "core::", "alloc::", "rust_panic", "__rust"];
/// What stands before the part of a path that a person can use, up to the next slash for the first.
const REGISTRY: &str = "/registry/src/";
const LIBRARY: &str = "/library/";

/// Where the symbol file of a component is read, if it is needed.
#[derive(Clone)]
pub struct Symbols(Arc<dyn Fn() -> Option<Vec<u8>> + Send + Sync>);

impl Symbols {
    /// Symbols that `read` gives on need: the bytes of the core module before it was stripped.
    pub fn new(read: impl Fn() -> Option<Vec<u8>> + Send + Sync + 'static) -> Self {
        Self(Arc::new(read))
    }

    /// Writes frames as `function (file:line)`, innermost first.
    pub(crate) fn resolve(symbols: Option<&Self>, frames: impl Iterator<Item = Frame>) -> Vec<String> {
        let file = symbols.and_then(|symbols| (symbols.0)());
        let table = file.as_deref().and_then(Table::read);
        let mut lines: Vec<_> = frames.take(MAX_LINES).flat_map(|frame| frame.lines(table.as_ref())).collect();
        let standard = lines.iter().take_while(|line| is_standard(line)).count();
        if standard < lines.len() {
            lines.drain(..standard);
        }
        lines.truncate(MAX_LINES);
        lines
    }
}

impl fmt::Debug for Symbols {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Symbols")
    }
}

/// A call on the guest's stack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Frame {
    /// The function's number in its module, imports included.
    pub(crate) function: u32,
    /// Bytes from the start of the function's body.
    pub(crate) offset: Option<u32>,
    /// Its name, if the component was not stripped.
    pub(crate) name: Option<String>,
}

impl Frame {
    /// The frame and what was inlined into it.
    fn lines(&self, table: Option<&Table<'_>>) -> Vec<String> {
        let name = table.and_then(|table| table.name(self.function)).or(self.name.as_deref()).map(demangled);
        let resolved = table.map(|table| table.lines(self, name.as_deref())).unwrap_or_default();
        if !resolved.is_empty() {
            return resolved;
        }
        vec![match (name, self.offset) {
            (Some(name), _) => name,
            (None, Some(offset)) => format!("function {} (+{offset})", self.function),
            (None, None) => format!("function {}", self.function),
        }]
    }
}

type Slice<'a> = EndianSlice<'a, LittleEndian>;

/// What a symbol file knows.
struct Table<'a> {
    imported: u32,
    bodies: Vec<Range<usize>>,
    code: usize,
    names: Vec<(u32, &'a str)>,
    lines: Option<Context<Slice<'a>>>,
}

impl<'a> Table<'a> {
    fn read(module: &'a [u8]) -> Option<Self> {
        let mut table = Self { imported: 0, bodies: Vec::new(), code: 0, names: Vec::new(), lines: None };
        let mut sections = Vec::new();
        for payload in Parser::new(0).parse_all(module) {
            match payload.ok()? {
                Payload::ImportSection(imports) => {
                    for import in imports.into_imports() {
                        let is_function = matches!(import.ok()?.ty, TypeRef::Func(_) | TypeRef::FuncExact(_));
                        table.imported = table.imported.checked_add(u32::from(is_function))?;
                    }
                }
                Payload::CodeSectionStart { range, .. } => table.code = range.start,
                Payload::CodeSectionEntry(body) => table.bodies.push(body.range()),
                Payload::CustomSection(section) => {
                    if let KnownCustom::Name(names) = section.as_known() {
                        table.read_names(names);
                    } else if section.name().starts_with(".debug_") {
                        sections.push((section.name(), section.data()));
                    }
                }
                _ => {}
            }
        }
        let section = |id: SectionId| {
            let found = sections.iter().find(|(name, _)| *name == id.name()).map_or(&[][..], |(_, data)| data);
            Ok::<_, gimli::Error>(EndianSlice::new(found, LittleEndian))
        };
        table.lines = Dwarf::load(section).ok().and_then(|dwarf| Context::from_dwarf(dwarf).ok());
        Some(table)
    }

    fn read_names(&mut self, names: wasmparser::NameSectionReader<'a>) {
        for subsection in names.into_iter().flatten() {
            if let Name::Function(functions) = subsection {
                self.names.extend(functions.into_iter().flatten().map(|naming| (naming.index, naming.name)));
            }
        }
    }

    fn name(&self, function: u32) -> Option<&'a str> {
        self.names.iter().find(|&&(index, _)| index == function).map(|&(_, name)| name)
    }

    /// What the debug information says: the innermost inlined function first. `name` is that of the function itself;
    /// line tables alone leave it out where nothing was inlined.
    fn lines(&self, frame: &Frame, name: Option<&str>) -> Vec<String> {
        let (Some(lines), Some(address)) = (&self.lines, self.address(frame)) else { return Vec::new() };
        let Ok(mut frames) = lines.find_frames(address).skip_all_loads() else { return Vec::new() };
        let mut found = Vec::new();
        while let Ok(Some(inlined)) = frames.next() {
            let function = inlined.function.as_ref().and_then(|function| function.demangle().ok());
            let Some(function) = function.as_deref().map(shortened).or_else(|| name.map(str::to_owned)) else {
                continue;
            };
            let place = inlined.location.as_ref().and_then(|location| Some((location.file?, location.line?)));
            found.push(match place {
                Some((file, line)) => format!("{function} ({}:{line})", short_path(file)),
                None => function,
            });
        }
        found
    }

    /// DWARF counts bytes from the start of the code section. Bodies are found by number, so that it does not matter
    /// what was stripped around them.
    fn address(&self, frame: &Frame) -> Option<u64> {
        let body = self.bodies.get(frame.function.checked_sub(self.imported)? as usize)?;
        let address = body.start.checked_sub(self.code)?.checked_add(frame.offset? as usize)?;
        u64::try_from(address).ok()
    }
}

fn is_standard(line: &str) -> bool {
    if line.contains(" (") {
        STANDARD_LIBRARY.iter().any(|folder| line.contains(folder))
    } else {
        STANDARD_NAMES.iter().any(|prefix| line.starts_with(prefix))
    }
}

/// A path without the folders that depend on the machine which compiled it: `serde_json-1.0.154/src/de.rs`.
fn short_path(path: &str) -> &str {
    let in_registry = path.split_once(REGISTRY).and_then(|(_, rest)| rest.split_once('/')).map(|(_, rest)| rest);
    let in_library = || path.rsplit_once(LIBRARY).map(|(_, rest)| rest);
    in_registry.or_else(in_library).unwrap_or(path)
}

fn demangled(name: &str) -> String {
    shortened(&addr2line::demangle_auto(Cow::Borrowed(name), None))
}

fn shortened(name: &str) -> String {
    let name = without_generics(name);
    match name.char_indices().nth(MAX_NAME_CHARS) {
        Some((end, _)) => format!("{}…", name.get(..end).unwrap_or_default()),
        None => name,
    }
}

/// Leaves out what stands between `<` and `>`, but at the start: `<T as Trait>::f` is a name, `f<closure>` is one with
/// more types than a person wants to read. An arrow's `>` closes nothing.
fn without_generics(name: &str) -> String {
    let mut kept = String::with_capacity(name.len());
    let (mut depth, mut before) = (0_u32, ' ');
    let whole = name.starts_with('<');
    for c in name.chars() {
        match c {
            '<' if !whole => depth += 1,
            '>' if depth > 0 && before != '-' => depth -= 1,
            _ if depth == 0 => kept.push(c),
            _ => {}
        }
        before = c;
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A module with one import and two functions, the second with a name.
    const MODULE: &str = r#"(module
        (import "a" "b" (func))
        (func (nop))
        (func $_ZN4core9panicking5panic17h0123456789abcdefE (unreachable)))"#;

    fn frame(function: u32, offset: u32) -> Frame {
        Frame { function, offset: Some(offset), name: None }
    }

    #[test]
    fn functions_are_named_by_the_symbol_file() {
        let module = wat::parse_str(MODULE).unwrap();
        let symbols = Symbols::new(move || Some(module.clone()));
        let lines = |frames: Vec<Frame>| Symbols::resolve(Some(&symbols), frames.into_iter());
        assert_eq!(lines(vec![frame(2, 1)]), ["core::panicking::panic"]);
        assert_eq!(lines(vec![frame(2, 1), frame(1, 1)]), ["function 1 (+1)"], "the standard library is left out");
        assert_eq!(lines(vec![frame(77, 1)]), ["function 77 (+1)"]);
    }

    #[test]
    fn without_symbols_or_with_broken_ones_there_are_numbers() {
        let frames = || [frame(5, 9), Frame { name: Some("f".into()), ..frame(6, 1) }].into_iter();
        assert_eq!(Symbols::resolve(None, frames()), ["function 5 (+9)", "f"]);
        let broken = Symbols::new(|| Some(b"\0asm\x01\0\0\0\xff\xff\xff".to_vec()));
        assert_eq!(Symbols::resolve(Some(&broken), frames()), ["function 5 (+9)", "f"]);
        let none = Symbols::new(|| None);
        assert_eq!(Symbols::resolve(Some(&none), frames()), ["function 5 (+9)", "f"]);
    }

    #[test]
    fn a_trace_has_so_many_lines() {
        let frames = (0..1_000).map(|function| frame(function, 0));
        assert_eq!(Symbols::resolve(None, frames).len(), MAX_LINES);
    }

    #[test]
    fn paths_are_short() {
        assert_eq!(
            short_path("/c/registry/src/index-1949cf/serde_json-1.0.154/src/de.rs"),
            "serde_json-1.0.154/src/de.rs"
        );
        assert_eq!(short_path("/rust/library/library/core/src/str/mod.rs"), "core/src/str/mod.rs");
        assert_eq!(short_path("/plugin/sdk/src/lib.rs"), "/plugin/sdk/src/lib.rs");
    }

    #[test]
    fn names_are_without_their_types() {
        assert_eq!(shortened("run<word_count::Plugin>"), "run");
        assert_eq!(shortened("{closure#0}<&R, Result<(), F>, fn(A<B>) -> C>"), "{closure#0}");
        assert_eq!(shortened("<T as core::fmt::Debug>::fmt"), "<T as core::fmt::Debug>::fmt");
        assert_eq!(shortened("plain::f"), "plain::f");
        assert!(shortened(&"x".repeat(MAX_NAME_CHARS + 1)).ends_with("x…"));
    }

    #[test]
    fn addresses_count_from_the_code_section() {
        let module = wat::parse_str(MODULE).unwrap();
        let table = Table::read(&module).unwrap();
        // After the count of functions: the length of the first body, then its locals.
        assert_eq!(table.address(&frame(1, 0)), Some(2));
        assert_eq!(table.address(&frame(0, 0)), None, "an import has no body");
    }
}
