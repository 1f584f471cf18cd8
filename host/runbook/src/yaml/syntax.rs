//! What the YAML parser says, in words for people who don't know its grammar.

/// What is said for a message of the parser.
#[derive(Debug, Clone, Copy)]
pub(super) struct Words<'m> {
    /// What is wrong.
    pub(super) says: &'m str,
    /// What to do.
    pub(super) help: Option<&'static str>,
    /// A bracket or brace that is open has to do with it.
    pub(super) of_open: bool,
    /// It is about an element of a list that is no such.
    pub(super) of_list: bool,
}

/// A part of the parser's message, what is said instead, what to do, and whether what is open has to do with it. The
/// first that fits counts.
const WORDS: &[(&str, &str, &str, bool)] = &[
    ("tab", "a tab can't stand here", "indent with spaces", false),
    (
        "mapping values are not allowed",
        "a `:` can't stand here",
        "put a text that holds `: ` in quotes; else a `:` is missing in the line before, or this line is indented too far",
        false,
    ),
    (
        "illegal placement of ':'",
        "a `:` can't stand here",
        "put a text that holds `: ` in quotes; else a bracket before it is not closed",
        true,
    ),
    ("unknown anchor", "this alias names no anchor", "put a text that begins with `*` in quotes", false),
    ("duplicated anchor", "this anchor stands twice", "give it another name", false),
    ("trailing content after", "nothing can follow a closing quote", "put the whole text in one pair of quotes", false),
    ("invalid indentation in quoted scalar", "this quote is never closed", "close it on the same line", false),
    ("quoted scalar, found unexpected end", "this quote is never closed", "close it on the same line", false),
    ("unknown escape character", "this is no escape", "write `\\\\` for a backslash, or use single quotes", false),
    (
        "expected '-' indicator",
        "this line is indented unlike the list that it stands in",
        "all keys of one step begin in one column, and so do all `- `",
        false,
    ),
    (
        "did not find expected key",
        "this line is indented unlike the mapping that it stands in",
        "all keys of one mapping begin in one column",
        false,
    ),
    ("block sequence entries are not allowed", "a `- ` can't stand here", "begin a list on a line of its own", false),
    ("indentation in flow construct", "a bracket or brace is not closed before here", "close what is open", true),
    (
        "expected ',' or ']'",
        "the list in brackets is not closed before here",
        "part its elements by `,`, end it by `]`",
        true,
    ),
    (
        "expected ',' or '}'",
        "the mapping in braces is not closed before here",
        "part its entries by `,`, end it by `}`",
        true,
    ),
    ("did not find expected node content", "a value is missing here", "write one, or close what is open", true),
    ("simple key", "a key lacks its `:`", "write `key: value`", false),
    ("unexpected character", "a text can't begin with this character", "put it in quotes", false),
];

/// What to say for a message of the parser; the message itself where it is none of the known ones.
pub(super) fn in_words(message: &str) -> Words<'_> {
    match WORDS.iter().find(|(known, ..)| message.contains(known)) {
        Some(&(known, says, help, of_open)) => {
            Words { says, help: Some(help), of_open, of_list: known == "expected '-' indicator" }
        }
        None => Words { says: message, help: None, of_open: true, of_list: false },
    }
}
