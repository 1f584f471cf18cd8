//! Lines in the manner of gitignore, matched against paths. The last line that matches decides, so that, unlike with
//! git, a file in an excluded folder can be taken back.

/// A list of lines.
#[derive(Debug)]
pub(crate) struct Patterns {
    lines: Vec<Line>,
}

/// One line that is neither blank nor a comment.
#[derive(Debug)]
struct Line {
    /// Whether it selects what it matches; a line with `!` takes it back.
    selects: bool,
    parts: Vec<Part>,
}

/// What a line wants of the parts of a path.
#[derive(Debug, PartialEq)]
enum Part {
    /// `**`: any number of parts, at the end at least one.
    Any,
    /// One part.
    One(Vec<Piece>),
}

/// What a line wants of the characters of one part of a path.
#[derive(Debug, PartialEq)]
enum Piece {
    /// `*`
    Run,
    /// `?`
    Single,
    /// `[a-c]`
    Set { not: bool, ranges: Vec<(char, char)> },
    /// The character itself.
    Just(char),
}

/// Why a line can't be used.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct BadPattern {
    pub(crate) line: String,
    pub(crate) reason: &'static str,
}

impl Patterns {
    /// Reads the lines. Fails at the first that makes no sense.
    pub(crate) fn new(lines: &[String]) -> Result<Self, BadPattern> {
        let parse = |line: &String| Line::new(line).map_err(|reason| BadPattern { line: line.clone(), reason });
        Ok(Self { lines: lines.iter().filter_map(|line| parse(line).transpose()).collect::<Result<_, _>>()? })
    }

    /// Tells whether the lines select the file at `path`, relative and with `/` between its parts.
    pub(crate) fn select(&self, path: &str) -> bool {
        let parts: Vec<&str> = path.split('/').collect();
        self.lines.iter().rev().find(|line| line.matches(&parts)).is_some_and(|line| line.selects)
    }
}

impl Line {
    /// Reads a line; nothing for blank lines, comments and `/`.
    fn new(line: &str) -> Result<Option<Self>, &'static str> {
        // An escaped space at the end belongs to the name.
        let line = if line.ends_with("\\ ") { line.trim_start() } else { line.trim() };
        if line.is_empty() || line.starts_with('#') || line == "/" {
            return Ok(None);
        }
        let (selects, pattern) = match line.strip_prefix('!') {
            Some(rest) => (false, rest),
            None => (true, line),
        };
        let mut parts: Vec<&str> = pattern.split('/').collect();
        parts.dedup_by(|part, before| *part == "**" && *before == "**");
        // `**/` is every file below some folder, which nothing below can say.
        if parts == ["**", ""] {
            return Ok(Some(Self { selects, parts: vec![Part::One(vec![Piece::Run]), Part::Any] }));
        }
        if parts.first().is_some_and(|part| part.is_empty()) {
            parts.remove(0);
        } else if parts.len() == 1 || (parts.len() == 2 && parts.last().is_some_and(|part| part.is_empty())) {
            // A name alone is meant wherever it is.
            if parts.first().is_some_and(|part| *part != "**") {
                parts.insert(0, "**");
            }
        }
        if parts.len() > 1
            && let Some(last) = parts.last_mut()
            && last.is_empty()
        {
            *last = "**";
        }
        if parts.is_empty() {
            return Err("it has `!` and nothing else");
        }
        let parts = parts.into_iter().map(Part::new).collect::<Result<_, _>>()?;
        Ok(Some(Self { selects, parts }))
    }

    fn matches(&self, path: &[&str]) -> bool {
        match self.parts.as_slice() {
            [Part::Any] => true,
            // `/**/` names a part without a name, which no path has.
            [Part::Any, Part::Any] => false,
            parts => match_parts(parts, path),
        }
    }
}

/// Tells whether a path begins with what the parts of a line want: what matches a folder matches all below it.
fn match_parts(parts: &[Part], path: &[&str]) -> bool {
    match parts {
        [] => true,
        [Part::Any] => !path.is_empty(),
        [Part::Any, rest @ ..] => {
            (0..=path.len()).any(|skipped| match_parts(rest, path.get(skipped..).unwrap_or_default()))
        }
        [Part::One(pieces), rest @ ..] => match path {
            [first, below @ ..] => match_pieces(pieces, first) && match_parts(rest, below),
            [] => false,
        },
    }
}

/// Tells whether a whole name is as `pieces` want. On a mismatch it goes back to the last run alone, which is enough.
fn match_pieces(pieces: &[Piece], name: &str) -> bool {
    let (mut pieces, mut name) = (pieces, name.chars());
    let mut retry: Option<(&[Piece], std::str::Chars<'_>)> = None;
    loop {
        let rest = name.clone();
        match pieces {
            [Piece::Run, after @ ..] => {
                retry = Some((after, rest));
                pieces = after;
                continue;
            }
            [piece, after @ ..] => {
                if name.next().is_some_and(|c| piece.fits(c)) {
                    pieces = after;
                    continue;
                }
            }
            [] if rest.as_str().is_empty() => return true,
            [] => {}
        }
        let Some((after, from)) = &mut retry else { return false };
        if from.next().is_none() {
            return false;
        }
        (pieces, name) = (*after, from.clone());
    }
}

impl Part {
    fn new(part: &str) -> Result<Self, &'static str> {
        if part == "**" {
            return Ok(Self::Any);
        }
        let characters: Vec<char> = part.chars().collect();
        let mut pieces = Vec::new();
        let mut rest = characters.as_slice();
        while let [first, after @ ..] = rest {
            rest = after;
            let piece = match first {
                '\\' => {
                    let [escaped, after @ ..] = rest else { return Err("it ends with a backslash") };
                    rest = after;
                    Piece::Just(*escaped)
                }
                '*' => Piece::Run,
                '?' => Piece::Single,
                '[' => match Piece::set(rest)? {
                    Some((set, after)) => {
                        rest = after;
                        set
                    }
                    None => Piece::Just('['),
                },
                other => Piece::Just(*other),
            };
            // Runs side by side are one.
            if piece != Piece::Run || pieces.last() != Some(&Piece::Run) {
                pieces.push(piece);
            }
        }
        Ok(Self::One(pieces))
    }
}

impl Piece {
    /// Reads a set, whose `[` was read already, and returns what is after it; nothing if it has no end.
    fn set(text: &[char]) -> Result<Option<(Self, &[char])>, &'static str> {
        let not = matches!(text, ['!' | '^', ..]);
        let body = text.get(usize::from(not)..).unwrap_or_default();
        // A `]` that comes first is a member.
        let Some(end) = body.iter().skip(1).position(|c| *c == ']').map(|end| end + 1) else { return Ok(None) };
        let (mut members, after) = (body.get(..end).unwrap_or_default(), body.get(end + 1..).unwrap_or_default());
        let mut ranges = Vec::new();
        while let [first, rest @ ..] = members {
            if let ['-', last, rest @ ..] = rest {
                if first > last {
                    return Err("a range in it goes backwards");
                }
                ranges.push((*first, *last));
                members = rest;
            } else {
                ranges.push((*first, *first));
                members = rest;
            }
        }
        Ok(Some((Self::Set { not, ranges }, after)))
    }

    fn fits(&self, c: char) -> bool {
        match self {
            Self::Run | Self::Single => true,
            Self::Set { not, ranges } => ranges.iter().any(|(first, last)| (*first..=*last).contains(&c)) != *not,
            Self::Just(just) => *just == c,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn select(lines: &[&str], path: &str) -> bool {
        let lines: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
        Patterns::new(&lines).unwrap().select(path)
    }

    fn check(line: &str, matched: &[&str], others: &[&str]) {
        for path in matched {
            assert!(select(&[line], path), "{line:?} must match {path:?}");
        }
        for path in others {
            assert!(!select(&[line], path), "{line:?} must not match {path:?}");
        }
    }

    #[test]
    fn a_name_matches_at_any_depth_and_all_below_it() {
        check("a", &["a", "x/a", "a/b", "x/a/b/c"], &["ab", "x/ba", "A"]);
        check("a/", &["a/b", "x/a/b"], &["a", "x/a"]);
        check("*.txt", &["a.txt", ".txt", "x/y/a.txt", "d.txt/a"], &["a.txt2", "txt"]);
        check("**", &["a", "x/y"], &[]);
        check("**/", &["x/y", "x/y/z"], &["x"]);
    }

    #[test]
    fn a_slash_inside_or_before_anchors_to_the_root() {
        check("/a", &["a", "a/b"], &["x/a"]);
        check("a/b", &["a/b", "a/b/c"], &["x/a/b", "a/x/b"]);
        check("a/*/b", &["a/x/b"], &["a/b", "a/x/y/b"]);
        check("a/**/b", &["a/b", "a/x/b", "a/x/y/b/c"], &["x/a/b"]);
        check("a/**", &["a/b", "a/b/c"], &["a", "x/a/b"]);
        check("**/a/b", &["a/b", "x/y/a/b"], &["a/x/b"]);
        check("./a", &[], &["a", "./a2", "x/a"]);
        check("/**/", &[], &["a", "a/b"]);
        check("a//b", &[], &["a/b"]);
    }

    #[test]
    fn wildcards_stay_within_a_part() {
        check("a*c", &["ac", "abc", "abcabc"], &["a/c", "abcd"]);
        check("a?c", &["abc", "aéc"], &["ac", "a/c", "abbc"]);
        check("[a-c]x", &["ax", "cx"], &["dx", "x", "-x"]);
        check("[!a-c]x", &["dx", "-x"], &["ax"]);
        check("[^a]x", &["bx"], &["ax"]);
        check("[]a]x", &["]x", "ax"], &["bx"]);
        check("[a-]x", &["-x", "ax"], &["bx"]);
        check("[\\]x", &["\\x"], &["[x"]);
        check("a[b", &["a[b"], &["ab"]);
        check("*a*b*", &["ab", "xaxbx", "aab"], &["ba"]);
    }

    #[test]
    fn comments_escapes_and_spaces() {
        check("#a", &[], &["#a", "a"]);
        check("\\#a", &["#a"], &["a"]);
        check("\\!a", &["!a"], &["a"]);
        check("a  ", &["a"], &["a  "]);
        check("a\\ ", &["a "], &["a"]);
        check("", &[], &["a"]);
        check("/", &[], &["a"]);
        check("a\\*b", &["a*b"], &["axb"]);
    }

    #[test]
    fn the_last_line_that_matches_decides() {
        let lines = ["drafts/", "!drafts/keep.md", "*.tmp"];
        assert!(select(&lines, "drafts/x.md") && !select(&lines, "drafts/keep.md"));
        assert!(select(&["!*.md", "*.md"], "a.md"));
        assert!(!select(&[], "a"));
    }

    #[test]
    fn lines_that_make_no_sense_are_refused() {
        for line in ["!", "a\\", "[b-a]"] {
            assert!(Patterns::new(&[line.to_owned()]).is_err(), "{line}");
        }
    }

    /// Wildcards in one part, by trying everything.
    fn naive(pieces: &[char], name: &[char]) -> bool {
        match (pieces, name) {
            ([], []) => true,
            (['*', rest @ ..], _) => (0..=name.len()).any(|taken| naive(rest, &name[taken..])),
            (['?', rest @ ..], [_, below @ ..]) => naive(rest, below),
            ([one, rest @ ..], [first, below @ ..]) => one == first && naive(rest, below),
            _ => false,
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 20_000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn wildcards_match_as_if_everything_were_tried(pattern in "[ab*?]{1,7}", name in "[ab]{1,9}") {
            prop_assume!(pattern != "**");
            let pieces: Vec<char> = pattern.chars().collect();
            prop_assert_eq!(select(&[&format!("/{pattern}")], &name), naive(&pieces, &name.chars().collect::<Vec<_>>()));
        }

        #[test]
        fn no_line_panics(line in "[]ab!#/*? \\[^-]{0,12}", path in "[ab/]{0,10}") {
            if let Ok(patterns) = Patterns::new(&[line]) {
                patterns.select(&path);
            }
        }
    }
}
