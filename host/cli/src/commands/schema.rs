//! `palisade schema`: what artifacts look like.

use super::Context;
use crate::args::{Format, SchemaCommand};
use crate::exit_code::ExitCode;
use crate::failure::CliError;
use crate::render::console;
use crate::workspace::Workspace;
use palisade_model::SchemaReq;

pub(crate) fn exec(context: &Context, command: &SchemaCommand) -> Result<ExitCode, CliError> {
    let schemas = Workspace::open(&context.settings)?.schemas;
    match command {
        SchemaCommand::List => {
            let all: Vec<_> = schemas.iter().map(|schema| (schema.name().to_string(), title(schema.json()))).collect();
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
            let schema = schemas.resolve(&wanted).ok_or_else(|| {
                CliError::usage(format!("there is no schema `{wanted}`")).help("`palisade schema list` shows all")
            })?;
            console::json(schema.json());
        }
    }
    Ok(ExitCode::Done)
}

fn title(schema: &serde_json::Value) -> String {
    let text = schema.get("title").or_else(|| schema.get("description")).and_then(serde_json::Value::as_str);
    palisade_model::neutral::line(text.unwrap_or_default(), 100)
}
