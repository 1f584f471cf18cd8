//! Finds all places where any of many literals may match, in one pass over the text.
//!
//! Literals are looked up by the hash of their first word. Building this costs a small part of what an automaton
//! costs, and each instance of a component builds its own; scanning is about as quick.

use std::collections::HashMap;

use crate::literal::Literal;

/// Bits of a word's hash that the filter looks at: 2^16 bits are 8 KiB, a quarter of a first-level cache.
const FILTER_BITS: u32 = 16;
/// Multiplier of the word hash: 2^64 divided by the golden ratio, odd.
const MIX: u64 = 0x9e37_79b9_7f4a_7c15;

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
    by_word: HashMap<u64, Vec<u32>, Hashed>,
    by_first: HashMap<char, Vec<u32>>,
}

impl Index {
    /// Builds the index; the number of a literal is its place in `literals`.
    pub(crate) fn new(literals: Vec<Literal>) -> Self {
        let mut index = Self {
            classes: classes(),
            filter: vec![0; 1 << (FILTER_BITS - 6)].into_boxed_slice(),
            by_word: HashMap::default(),
            by_first: HashMap::new(),
            literals: Vec::new(),
        };
        for (number, literal) in (0_u32..).zip(&literals) {
            if literal.word().is_empty() {
                if let Some(first) = literal.first() {
                    index.by_first.entry(first).or_default().push(number);
                    index.expect_first(first);
                }
            } else {
                let hash = literal.word().bytes().fold(0, step);
                index.by_word.entry(finish(hash)).or_default().push(number);
                let (place, bit) = filter_place(finish(hash));
                if let Some(bits) = index.filter.get_mut(place) {
                    *bits |= bit;
                }
            }
        }
        index.literals = literals;
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
        let class = |at: usize| bytes.get(at).map_or(PLAIN, |&byte| self.classes[usize::from(byte)]);
        let mut at = 0;
        while at < bytes.len() {
            // A run without anything of interest.
            let Some(plain) = bytes.iter().skip(at).position(|&byte| self.classes[usize::from(byte)] != PLAIN) else {
                return;
            };
            at += plain;
            let word = at;
            let mut hash = 0;
            loop {
                let class = class(at);
                if class >= WORD {
                    hash = step(hash, class);
                    at += 1;
                } else if class & MAY_BE_WORD != 0
                    && let Some((folded, length)) = odd_word_character(bytes, at)
                {
                    hash = step(hash, folded);
                    at += length;
                } else {
                    break;
                }
            }
            if at > word {
                let hash = finish(hash);
                let (place, bit) = filter_place(hash);
                if self.filter.get(place).is_some_and(|bits| bits & bit != 0) {
                    for &number in self.by_word.get(&hash).into_iter().flatten() {
                        if let Some((start, end)) = self.literal(number).and_then(|one| one.fit_word(text, word)) {
                            found(number, start, end);
                        }
                    }
                }
            } else {
                if class(at) & MAY_START != 0 {
                    self.scan_first(text, at, &mut found);
                }
                at += 1;
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

/// The folded form and the length in bytes of a word character beyond ASCII, if one is at `at`.
fn odd_word_character(bytes: &[u8], at: usize) -> Option<(u8, usize)> {
    match bytes.get(at..)? {
        [0xc4, 0xb0 | 0xb1, ..] => Some((b'i', 2)),
        [0xc5, 0xbf, ..] => Some((b's', 2)),
        [0xe2, 0x84, 0xaa, ..] => Some((b'k', 3)),
        _ => None,
    }
}

/// Adds one byte to the hash of a word.
fn step(hash: u64, byte: u8) -> u64 {
    (hash.rotate_left(5) ^ u64::from(byte)).wrapping_mul(MIX)
}

/// Spreads the hash of a whole word over all bits.
fn finish(hash: u64) -> u64 {
    hash ^ (hash >> 32)
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
        for &byte in bytes {
            self.0 = step(self.0, byte);
        }
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = value;
    }
}
