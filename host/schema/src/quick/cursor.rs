//! Reading a line of JSON from left to right against a rule. Keeps nothing but the place it is at, and the keys that no
//! rule names.

use super::rule::{ANYTHING, Kinds, ObjectRule, Rule};
use palisade_model::json_text::text_end;

/// Deepest nesting; deeper lines are left to the general validator, whose reader takes 127 levels.
const MAX_DEPTH: u32 = 100;
/// Most undeclared keys of one object: each is compared with those before it.
const MAX_OTHER_KEYS: usize = 32;
/// Most digits of a number on either side of the point: such numbers are in range for every reader.
const MAX_DIGITS: usize = 18;

/// A place in a line. Each method that reads something leaves the place behind it, or gives none where that is not
/// there or not understood.
pub(super) struct Cursor<'l> {
    line: &'l str,
    at: usize,
    /// Undeclared keys of the objects that are open, the innermost last.
    others: Vec<&'l str>,
}

impl<'l> Cursor<'l> {
    pub(super) fn new(line: &'l str) -> Self {
        Self { line, at: 0, others: Vec::new() }
    }

    /// Says whether the whole line is one value that surely fits.
    pub(super) fn fits(mut self, rule: &Rule) -> bool {
        let fits = self.value(rule, MAX_DEPTH).is_some();
        self.skip_space();
        fits && self.at == self.line.len()
    }

    fn value(&mut self, rule: &Rule, depth: u32) -> Option<()> {
        self.skip_space();
        let kind = match self.peek()? {
            b'"' => Kinds::TEXT,
            b'{' => Kinds::OBJECT,
            b'[' => Kinds::LIST,
            b't' | b'f' => Kinds::BOOLEAN,
            b'n' => Kinds::NULL,
            _ => return self.number(rule),
        };
        if !rule.kinds.hold(kind) || (rule.texts.is_some() && kind != Kinds::TEXT) {
            return None;
        }
        match kind {
            Kinds::TEXT => {
                let text = self.text()?;
                match &rule.texts {
                    Some(texts) => texts.iter().any(|one| Some(one.as_str()) == text).then_some(()),
                    None => Some(()),
                }
            }
            Kinds::OBJECT => self.object(rule.object.as_ref(), depth.checked_sub(1)?),
            Kinds::LIST => self.list(rule.elements.as_deref().unwrap_or(&ANYTHING), depth.checked_sub(1)?),
            _ => ["true", "false", "null"].into_iter().find_map(|word| self.word(word)),
        }
    }

    fn object(&mut self, rule: Option<&ObjectRule>, depth: u32) -> Option<()> {
        self.take(b'{')?;
        let outer = self.others.len();
        let mut seen = 0;
        self.skip_space();
        if self.take(b'}').is_none() {
            loop {
                self.skip_space();
                let key = self.text()??;
                self.skip_space();
                self.take(b':')?;
                let (bit, rule) = rule.map_or((None, &ANYTHING), |rule| rule.property(key));
                match bit {
                    Some(bit) if seen & bit == 0 => seen |= bit,
                    Some(_) => return None,
                    None => self.note_other(key, outer)?,
                }
                self.value(rule, depth)?;
                self.skip_space();
                if self.take(b',').is_none() {
                    break self.take(b'}')?;
                }
            }
        }
        self.others.truncate(outer);
        rule.is_none_or(|rule| rule.is_complete(seen)).then_some(())
    }

    /// Notes a key that no rule names: it may come once in its object.
    fn note_other(&mut self, key: &'l str, outer: usize) -> Option<()> {
        let before = self.others.get(outer..)?;
        if before.len() >= MAX_OTHER_KEYS || before.contains(&key) {
            return None;
        }
        self.others.push(key);
        Some(())
    }

    fn list(&mut self, rule: &Rule, depth: u32) -> Option<()> {
        self.take(b'[')?;
        self.skip_space();
        if self.take(b']').is_some() {
            return Some(());
        }
        loop {
            self.value(rule, depth)?;
            self.skip_space();
            if self.take(b',').is_none() {
                return self.take(b']');
            }
        }
    }

    /// A number; only one without an exponent is understood, and only an integer where there are bounds.
    fn number(&mut self, rule: &Rule) -> Option<()> {
        let negative = self.take(b'-').is_some();
        let whole = self.digits()?;
        // The reader takes `-0` for a fraction.
        let is_integer = self.peek() != Some(b'.');
        if (whole.len() > 1 && whole.starts_with('0')) || (negative && whole == "0" && is_integer) {
            return None;
        }
        if is_integer {
            let size: i64 = whole.parse().ok()?;
            let value = if negative { -size } else { size };
            let within = rule.bounds.is_none_or(|(least, most)| least <= value && value <= most);
            return (rule.kinds.hold(Kinds::INTEGER) && rule.texts.is_none() && within).then_some(());
        }
        self.take(b'.')?;
        self.digits()?;
        (rule.kinds.hold(Kinds::FRACTION) && rule.texts.is_none() && rule.bounds.is_none()).then_some(())
    }

    fn digits(&mut self) -> Option<&'l str> {
        let rest = self.line.get(self.at..)?;
        let count = rest.bytes().take_while(u8::is_ascii_digit).count();
        self.at += count;
        rest.get(..count).filter(|digits| (1..=MAX_DIGITS).contains(&digits.len()))
    }

    /// A text with its quotes: what it says, if there is no escape in it. Halves of characters are left to the reader,
    /// which joins them.
    fn text(&mut self) -> Option<Option<&'l str>> {
        self.take(b'"')?;
        let start = self.at;
        let end = text_end(self.line.as_bytes(), start).filter(|end| !end.halves)?;
        self.at = end.behind;
        Some(if end.plain { self.line.get(start..self.at - 1) } else { None })
    }

    fn word(&mut self, word: &str) -> Option<()> {
        let is_here = self.line.get(self.at..)?.starts_with(word);
        is_here.then(|| self.at += word.len())
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.line.as_bytes().get(self.at).copied()
    }

    fn take(&mut self, wanted: u8) -> Option<()> {
        (self.peek()? == wanted).then(|| self.at += 1)
    }
}
