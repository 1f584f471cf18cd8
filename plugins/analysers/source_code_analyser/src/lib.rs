//! Turns texts into source files: keeps those of a known language. Never parses the language.

use std::borrow::Cow;

use palisade_findings::DOCUMENTS;
use palisade_matching::{Lines, strip};
use palisade_sdk::{Analyser, Bytes, ConfigSchema, Context, Description, Input, Metadata, Property, Result, limit};
use serde::{Deserialize, Serialize};

mod language;

/// The port that source files are emitted to.
const FILES: &str = "files";

/// What stands for the source of texts that are from nowhere.
const NO_SOURCE: &str = "standard_input";

/// The component.
pub struct SourceCode;

/// The properties of the step.
#[derive(Deserialize)]
pub struct Config {
    language: Option<String>,
    max_file_size: u64,
}

/// An item of `standard_input`.
#[derive(Deserialize)]
struct Document<'a> {
    #[serde(borrow)]
    content: Cow<'a, str>,
    #[serde(borrow)]
    metadata: Origin<'a>,
}

/// Where a text is from.
#[derive(Deserialize)]
struct Origin<'a> {
    #[serde(borrow)]
    source: Cow<'a, str>,
    #[serde(borrow, default)]
    file_path: Option<Cow<'a, str>>,
}

/// The metadata of `standard_input`.
#[derive(Deserialize)]
struct InputMetadata {
    #[serde(default)]
    source: Option<String>,
}

/// An item of `source_code`.
#[derive(Serialize)]
struct SourceFile<'a> {
    file_path: &'a str,
    language: &'static str,
    raw_content: &'a str,
    metadata: FileMetadata,
}

#[derive(Serialize)]
struct FileMetadata {
    file_size: usize,
    line_count: usize,
}

/// What a part of the input came to.
#[derive(Default, Serialize, Deserialize)]
pub struct Totals {
    files: u64,
    lines: u64,
    /// Source of the first input that the part saw and that has one.
    source: Option<String>,
}

/// The metadata of the source files.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Analysis {
    schema_version: &'static str,
    name: String,
    description: String,
    source: String,
    metadata: AnalysisTotals,
}

#[derive(Serialize)]
struct AnalysisTotals {
    total_files: u64,
    total_lines: u64,
}

impl Analyser for SourceCode {
    type Config = Config;
    type Partial = Totals;

    fn describe() -> Description {
        let config = ConfigSchema::new()
            .property(
                "language",
                // Blank is an error, not a wish for all languages.
                Property::string()
                    .nullable()
                    .with("pattern", r"\S")
                    .default(None::<String>)
                    .about("Keeps files of this language alone: php, javascript or typescript"),
            )
            .property(
                "max_file_size",
                Property::integer().above(0).default(10_485_760).about("Bytes of text; larger files are left out"),
            );
        Description::processor("palisade:source_code_analyser", env!("CARGO_PKG_VERSION"), "Reads source code")
            .about("Keeps texts that are source files of a known language, told by their names, and counts lines.")
            .input(Input::new(DOCUMENTS).accepts("standard_input/1").many().per_item().about("Texts with their paths"))
            .output(FILES, "source_code/1.0.0")
            .config(config)
            .limit(limit::FUEL, 1_000_000_000)
            // The host takes 60 for each byte of a source file, reading and counting lines less.
            .limit(limit::FUEL_PER_INPUT_BYTE, 1_000)
            .limit(limit::MEMORY, 256 << 20)
            .limit(limit::OUTPUT_BYTES, 16 << 20)
            // A control character is one byte in some encodings of JSON and six in others.
            .limit(limit::OUTPUT_BYTES_PER_INPUT_BYTE, 8)
    }

    fn run(ctx: &Context, config: Config) -> Result<Totals> {
        let wanted = config.language.as_deref().map(|language| strip(language).to_lowercase());
        let mut totals = Totals::default();
        for reader in ctx.inputs(DOCUMENTS) {
            if totals.source.is_none() {
                let source = reader.info().metadata::<InputMetadata>()?.source;
                totals.source = source.filter(|source| !source.is_empty() && source != NO_SOURCE);
            }
            reader.for_each(|item| {
                let document: Document<'_> = item.parse()?;
                let path = document.metadata.file_path.as_ref().unwrap_or(&document.metadata.source);
                let Some(language) = language::of_path(path) else { return Ok(()) };
                if wanted.as_ref().is_some_and(|wanted| wanted != language) {
                    return Ok(());
                }
                let file_size = document.content.len();
                if file_size as u64 > config.max_file_size {
                    let (size, most) = (Bytes(file_size as u64), Bytes(config.max_file_size));
                    ctx.skip(path, format!("its text has {size}, and `max_file_size` is {most}"));
                    return Ok(());
                }
                let line_count = Lines::new(&document.content).count();
                totals.files += 1;
                totals.lines += line_count as u64;
                let metadata = FileMetadata { file_size, line_count };
                ctx.emit(FILES, &SourceFile { file_path: path, language, raw_content: &document.content, metadata })
            })?;
        }
        Ok(totals)
    }

    fn finish(_: &Context, _: Config, parts: Vec<Totals>) -> Result<Vec<Metadata>> {
        let mut total = AnalysisTotals { total_files: 0, total_lines: 0 };
        for part in &parts {
            total.total_files += part.files;
            total.total_lines += part.lines;
        }
        let source = parts.into_iter().find_map(|part| part.source);
        let name = match source.as_deref() {
            None => "analysed_files",
            Some(".") => "",
            Some(source) => source.trim_end_matches('/').rsplit('/').next().unwrap_or_default(),
        };
        let name = format!("source_code_analysis_{name}");
        let source = source.unwrap_or_else(|| NO_SOURCE.to_owned());
        let analysis = Analysis {
            schema_version: "1.0.0",
            name,
            description: format!("Source code analysis of {source}"),
            metadata: total,
            source,
        };
        Ok(vec![Metadata::new(FILES, &analysis)?])
    }
}

palisade_sdk::export!(SourceCode);
