//! Where a key is: in a variable of the environment or in a file, never in `palisade.toml` itself.

use crate::table::{Reader, Value};
use palisade_model::llm::KeyPlace;

/// Reads the place that stands under `key` of the table `of`.
pub(crate) fn read(r: &mut Reader<'_>, key: &str, of: &str, value: &Value<'_>) -> Option<KeyPlace> {
    let of = format!("`{key}` of {of}");
    let wrong = |r: &mut Reader<'_>| {
        let help =
            "keys themselves don't stand in this file: write `{ env = \"NAME\" }` or `{ file = \"PATH\" }`".to_owned();
        r.wrong(value.span(), format!("{of} says where the key is, in one way"), Some(help));
        None
    };
    let Some(table) = value.get_ref().as_table() else { return wrong(r) };
    r.check_keys(&of, table, &["env", "file"]);
    let (env, file) = (r.text(&of, table, "env"), r.text(&of, table, "file"));
    match (env, file) {
        (Some(env), None) => {
            let good = !env.value.is_empty() && !env.value.contains(['=', '\0']);
            if !good {
                r.wrong(env.span.start..env.span.end, "this is no name of a variable", None);
            }
            good.then_some(KeyPlace::Env(env.value))
        }
        (None, Some(file)) => Some(KeyPlace::File(file.value)),
        _ => wrong(r),
    }
}
