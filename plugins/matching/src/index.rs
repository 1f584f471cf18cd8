//! Finds all places where any of many literals may match, in one pass over the text.
//!
//! Each literal is looked up by the hash of one of its words. Building this costs a small part of what an automaton
//! costs, and each instance of a component builds its own; scanning is at least as quick.

use std::collections::HashMap;

use crate::literal::{Literal, equals, words};
use crate::word_bits::{BLOCK, word_bits};

/// Bits of a word's hash that the filter looks at: 2^16 bits are 8 KiB, a quarter of a first-level cache.
const FILTER_BITS: u32 = 16;
/// Multiplier of the word hash: 2^64 divided by the golden ratio, odd.
const MIX: u64 = 0x9e37_79b9_7f4a_7c15;

/// The bit that makes ASCII letters lower-case, in each of eight bytes.
const LOWER: u64 = 0x2020_2020_2020_2020;

/// Bytes, and then up to the end of a line, that are scanned quickly or not: one odd word makes so much slow.
const PIECE_BYTES: usize = 1 << 10;

/// The byte is no part of a word and starts no wordless literal.
const PLAIN: u8 = 0;
/// The byte may start one of the four characters beyond ASCII that are part of a word.
const MAY_BE_WORD: u8 = 1;
/// The byte may start a literal that has no word.
const MAY_START: u8 = 2;
/// Classes from here on are bytes of a word, folded.
const WORD: u8 = b'0';

/// Literals, ready to be looked for.
#[derive(Debug)]
pub(crate) struct Index {
    literals: Vec<Literal>,
    /// What a scan does at each byte.
    classes: [u8; 256],
    /// One bit per [`FILTER_BITS`] of hash: is there a literal with such a word?
    filter: Box<[u64]>,
    /// By the hash of a word the words that have it, nearly always one.
    by_word: HashMap<u64, Vec<Word>, Hashed>,
    by_first: HashMap<char, Vec<u32>>,
}

/// A word that is looked for.
#[derive(Debug)]
struct Word {
    folded: String,
    /// The literals that are looked for by it.
    literals: Vec<u32>,
}

impl Index {
    /// Builds the index of folded patterns that are not empty; the number of a literal is its place among them.
    pub(crate) fn new(folded: &[String]) -> Self {
        // Words that many patterns share would make many candidates: the rarest is looked for.
        let mut patterns_with: HashMap<&str, usize> = HashMap::new();
        for (_, word) in folded.iter().flat_map(|pattern| words(pattern)) {
            *patterns_with.entry(word).or_default() += 1;
        }
        let weight = |word: &str| patterns_with.get(word).copied().unwrap_or(0);
        let mut index = Self {
            literals: folded.iter().map(|pattern| Literal::new(pattern, weight)).collect(),
            classes: classes(),
            filter: vec![0; 1 << (FILTER_BITS - 6)].into_boxed_slice(),
            by_word: HashMap::default(),
            by_first: HashMap::new(),
        };
        let mut firsts = Vec::new();
        for (number, literal) in (0_u32..).zip(&index.literals) {
            if literal.word().is_empty() {
                if let Some(first) = literal.first() {
                    index.by_first.entry(first).or_default().push(number);
                    firsts.push(first);
                }
            } else {
                let hash = hash_of(literal.word().as_bytes());
                let words = index.by_word.entry(hash).or_default();
                match words.iter_mut().find(|known| known.folded == literal.word()) {
                    Some(word) => word.literals.push(number),
                    None => words.push(Word { folded: literal.word().to_owned(), literals: vec![number] }),
                }
                let (place, bit) = filter_place(hash);
                if let Some(bits) = index.filter.get_mut(place) {
                    *bits |= bit;
                }
            }
        }
        firsts.into_iter().for_each(|first| index.expect_first(first));
        index
    }

    /// How many literals there are.
    pub(crate) fn count(&self) -> u32 {
        u32::try_from(self.literals.len()).unwrap_or(u32::MAX)
    }

    /// The literal of that number.
    pub(crate) fn literal(&self, number: u32) -> Option<&Literal> {
        self.literals.get(number as usize)
    }

    /// Calls `found` with literal, start and end (in bytes) of every place in `text` where a literal fits with both
    /// boundaries. The places of one literal come in order and may overlap.
    pub(crate) fn scan(&self, text: &str, mut found: impl FnMut(u32, usize, usize)) {
        let bytes = text.as_bytes();
        let mut from = 0;
        while from < bytes.len() {
            let piece = piece(bytes, from);
            if self.by_first.is_empty() && has_only_plain_words(piece) {
                for_each_word(piece, |start, end| {
                    let (start, end) = (from + start, from + end);
                    self.look_up(text, hash_ascii(bytes, start, end - start), start, end, &mut found);
                });
            } else {
                self.scan_slowly(text, from, from + piece.len(), &mut found);
            }
            from += piece.len();
        }
    }

    /// As [`Index::scan`] from `from` to `to`, between which no word is cut, byte by byte.
    fn scan_slowly(&self, text: &str, from: usize, to: usize, found: &mut impl FnMut(u32, usize, usize)) {
        let bytes = text.as_bytes().get(..to).unwrap_or_default();
        let mut at = from;
        loop {
            let Some(plain) = self.run(bytes, at, |class| class == PLAIN) else { return };
            at += plain;
            let start = at;
            let word = self.run(bytes, at, |class| class >= WORD).unwrap_or(bytes.len() - at);
            at += word;
            let mut hash = None;
            if self.class(bytes, at) & MAY_BE_WORD != 0 && odd_word_character(bytes, at).is_some() {
                let folded;
                (folded, at) = self.odd_word(bytes, start);
                hash = Some(hash_of(&folded));
            } else if word > 0 {
                hash = Some(hash_ascii(bytes, start, word));
            }
            match hash {
                Some(hash) => self.look_up(text, hash, start, at, found),
                None => {
                    if self.class(bytes, at) & MAY_START != 0 {
                        self.scan_first(text, at, found);
                    }
                    at += 1;
                }
            }
        }
    }

    /// The literals with a word of that hash that fit around it; mostly there are none.
    fn look_up(&self, text: &str, hash: u64, start: usize, end: usize, found: &mut impl FnMut(u32, usize, usize)) {
        let (place, bit) = filter_place(hash);
        if self.filter.get(place).is_some_and(|bits| bits & bit != 0) {
            self.scan_word(text, hash, start, end, found);
        }
    }

    /// What a scan does at a byte; nothing beyond the end.
    fn class(&self, bytes: &[u8], at: usize) -> u8 {
        bytes.get(at).map_or(PLAIN, |&byte| self.classes[usize::from(byte)])
    }

    /// How many bytes from `at` on have such a class; nothing if all have.
    fn run(&self, bytes: &[u8], at: usize, is: impl Fn(u8) -> bool) -> Option<usize> {
        bytes.get(at..)?.iter().position(|&byte| !is(self.classes[usize::from(byte)]))
    }

    /// A word with characters beyond ASCII that starts at `start`: folded, and where it ends.
    #[cold]
    fn odd_word(&self, bytes: &[u8], start: usize) -> (Vec<u8>, usize) {
        let (mut folded, mut at) = (Vec::new(), start);
        loop {
            if let Some(byte) = bytes.get(at).filter(|byte| byte.is_ascii_alphanumeric()) {
                folded.push(byte.to_ascii_lowercase());
                at += 1;
            } else if let Some((byte, length)) = odd_word_character(bytes, at) {
                folded.push(byte);
                at += length;
            } else {
                return (folded, at);
            }
        }
    }

    /// The literals with the word of that hash that fit around it.
    fn scan_word(&self, text: &str, hash: u64, start: usize, end: usize, found: &mut impl FnMut(u32, usize, usize)) {
        let words = self.by_word.get(&hash).into_iter().flatten();
        let same = words.filter(|word| text.get(start..end).is_some_and(|found| equals(found, &word.folded)));
        for &number in same.flat_map(|word| &word.literals) {
            if let Some((start, end)) = self.literal(number).and_then(|one| one.fit_word(text, start, end)) {
                found(number, start, end);
            }
        }
    }

    /// The literals without a word that fit at `at`.
    fn scan_first(&self, text: &str, at: usize, found: &mut impl FnMut(u32, usize, usize)) {
        let Some(first) = text.get(at..).and_then(|rest| rest.chars().next()) else { return };
        for &number in self.by_first.get(&crate::fold(first)).into_iter().flatten() {
            if let Some((start, end)) = self.literal(number).and_then(|one| one.fit_start(text, at)) {
                found(number, start, end);
            }
        }
    }

    /// Marks the bytes that may start a character equal to `first`.
    fn expect_first(&mut self, first: char) {
        // A character beyond ASCII may be equal to one with another first byte, so all of those are looked at.
        let bytes = if first.is_ascii() { first as usize..=first as usize } else { 0xc2..=0xf4 };
        for class in self.classes.get_mut(bytes).into_iter().flatten() {
            *class |= MAY_START;
        }
    }
}

/// The classes of an index without literals.
fn classes() -> [u8; 256] {
    std::array::from_fn(|byte| match u8::try_from(byte) {
        Ok(byte) if byte.is_ascii_alphanumeric() => byte.to_ascii_lowercase(),
        Ok(0xc4 | 0xc5 | 0xe2) => MAY_BE_WORD,
        _ => PLAIN,
    })
}

/// The bytes from `from` on that are scanned in one way: whole lines, since no word spans two.
fn piece(bytes: &[u8], from: usize) -> &[u8] {
    let rest = bytes.get(from..).unwrap_or_default();
    let end = rest.get(PIECE_BYTES..).and_then(|behind| memchr::memchr(b'\n', behind));
    rest.get(..end.map_or(rest.len(), |end| PIECE_BYTES + end + 1)).unwrap_or_default()
}

/// Tells whether all characters of words are ASCII.
fn has_only_plain_words(bytes: &[u8]) -> bool {
    let is_odd = |at| odd_word_character(bytes, at).is_some();
    bytes.is_ascii() || !memchr::memchr3_iter(0xc4, 0xc5, 0xe2, bytes).any(is_odd)
}

/// Calls `word` with start and end of each word of a text that has only plain ones: eight bytes at a time are told to be
/// of a word or not, so that little is done for each byte.
fn for_each_word(text: &[u8], mut word: impl FnMut(usize, usize)) {
    let mut begun = None;
    let (blocks, rest) = text.as_chunks::<BLOCK>();
    let mut last = [0; BLOCK];
    last.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
    for (number, block) in blocks.iter().chain([&last]).enumerate() {
        let of_words = word_bits(block);
        // Where a word begins or ends, there a bit differs from the one before it.
        let mut edges = of_words ^ (of_words << 1 | u64::from(begun.is_some()));
        while edges != 0 {
            let at = number * BLOCK + edges.trailing_zeros() as usize;
            edges &= edges - 1;
            match begun.take() {
                None => begun = Some(at),
                Some(start) => word(start, at),
            }
        }
    }
    if let Some(start) = begun {
        word(start, text.len());
    }
}

/// The folded form and the length in bytes of a word character beyond ASCII, if one is at `at`.
fn odd_word_character(bytes: &[u8], at: usize) -> Option<(u8, usize)> {
    match bytes.get(at..)? {
        [0xc4, 0xb0 | 0xb1, ..] => Some((b'i', 2)),
        [0xc5, 0xbf, ..] => Some((b's', 2)),
        [0xe2, 0x84, 0xaa, ..] => Some((b'k', 3)),
        _ => None,
    }
}

/// The hash of a folded word.
fn hash_of(word: &[u8]) -> u64 {
    let pieces = word.chunks(8).map(|piece| piece.iter().rev().fold(0, |sum, &byte| sum << 8 | u64::from(byte)));
    pieces.fold(word.len() as u64, mix)
}

/// As [`hash_of`] for the ASCII word of `length` bytes at `start`, which is not folded yet.
fn hash_ascii(bytes: &[u8], start: usize, length: usize) -> u64 {
    let mut hash = length as u64;
    let mut at = start;
    let mut left = length;
    while left > 0 {
        let here = left.min(8);
        let piece = match bytes.get(at..at + 8).and_then(|piece| piece.try_into().ok()) {
            Some(eight) => u64::from_le_bytes(eight) & (u64::MAX >> (64 - 8 * here)),
            // Near the end of the text.
            None => {
                bytes.get(at..at + here).into_iter().flatten().rev().fold(0, |sum, &byte| sum << 8 | u64::from(byte))
            }
        };
        // In letters this bit is the case, and digits have it.
        hash = mix(hash, piece | (LOWER >> (64 - 8 * here)));
        at += here;
        left -= here;
    }
    hash
}

/// Adds up to eight bytes to a hash.
fn mix(hash: u64, piece: u64) -> u64 {
    let mixed = (hash ^ piece).wrapping_mul(MIX);
    mixed ^ (mixed >> 32)
}

/// Where a hash is in the filter: word and bit.
fn filter_place(hash: u64) -> (usize, u64) {
    let bits = hash & ((1 << FILTER_BITS) - 1);
    ((bits >> 6) as usize, 1 << (bits & 63))
}

/// Hasher for keys that are hashes already.
#[derive(Debug, Default, Clone, Copy)]
struct Hashed;

impl std::hash::BuildHasher for Hashed {
    type Hasher = Identity;

    fn build_hasher(&self) -> Identity {
        Identity(0)
    }
}

/// Returns the `u64` it was given.
struct Identity(u64);

impl std::hash::Hasher for Identity {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 = mix(self.0, hash_of(bytes));
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = value;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PIECES: [&str; 16] = [
        "a",
        "Skin",
        "ask9",
        "z{@`[/:",
        "{z",
        " ",
        "_",
        "\n",
        "é",
        "ſ",
        "\u{212a}",
        "a word of some length",
        "averyveryverylongword",
        "------------------------------------------------------------",
        "\u{0}\u{7f}",
        "ask skin",
    ];

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

        /// Texts are long enough for several pieces of both sorts.
        #[test]
        fn words_are_found_in_blocks_as_byte_by_byte(
            pieces in prop::collection::vec(prop::sample::select(&PIECES[..]), 0..300),
        ) {
            let text = pieces.concat();
            let index = Index::new(&["a", "skin", "ask9 ", "z", "averyveryverylongword", "some length"].map(str::to_owned));
            let (mut quickly, mut slowly) = (Vec::new(), Vec::new());
            index.scan(&text, |literal, start, end| quickly.push((literal, start, end)));
            index.scan_slowly(&text, 0, text.len(), &mut |literal, start, end| slowly.push((literal, start, end)));
            prop_assert_eq!(quickly, slowly);
        }
    }
}
