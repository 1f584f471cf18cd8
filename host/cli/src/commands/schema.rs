//! `palisade schema`: what artifacts look like.

use super::Context;
use crate::args::{Format, SchemaCommand};
use crate::exit_code::ExitCode;
use crate::failure::CliError;
use crate::render::console;
use crate::workspace::Workspace;
use palisade_model::SchemaReq;
use palisade_schema::FORMS;

pub(crate) fn exec(context: &Context, command: &SchemaCommand) -> Result<ExitCode, CliError> {
    let schemas = Workspace::open(&context.settings)?.schemas;
    match command {
        SchemaCommand::List => {
            let artifacts = schemas.iter().map(|schema| (schema.name().to_string(), title(schema.json())));
            let forms = FORMS.iter().map(|(name, text)| ((*name).to_owned(), title(&form(text))));
            let all: Vec<_> = artifacts.chain(forms).collect();
            if context.format == Format::Json {
                let rows = all.iter().map(|(name, title)| serde_json::json!({"schema": name, "title": title}));
                console::json(&rows.collect::<Vec<_>>());
            } else {
                let width = all.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
                let lines =
                    all.iter().map(|(name, title)| format!("{name:width$}  {title}").trim_end().to_owned() + "\n");
                console::out(&lines.collect::<String>());
            }
        }
        SchemaCommand::Show { name } => {
            let wanted: SchemaReq = name.parse().map_err(|error| CliError::usage(format!("{error}")))?;
            let own = FORMS.iter().find(|(known, _)| known.parse().is_ok_and(|known| wanted.accepts(&known)));
            match (schemas.resolve(&wanted), own) {
                (Some(schema), _) => console::json(schema.json()),
                (None, Some((_, text))) => console::json(&form(text)),
                (None, None) => {
                    return Err(CliError::usage(format!("there is no schema `{wanted}`"))
                        .help("`palisade schema list` shows all"));
                }
            }
        }
    }
    Ok(ExitCode::Done)
}

/// A schema of one of Palisade's own files. A test reads them all.
fn form(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap_or_default()
}

fn title(schema: &serde_json::Value) -> String {
    let text = schema.get("title").or_else(|| schema.get("description")).and_then(serde_json::Value::as_str);
    palisade_model::neutral::line(text.unwrap_or_default(), 100)
}
