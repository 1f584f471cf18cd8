//! Checkpoints of audit logs that others kept: signed notes, one or many.

use palisade_audit::{Checkpoint, MAX_NOTE_BYTES, Note, VerifyingKey};

/// The first line is a key, the rest notes.
pub(crate) fn run(bytes: &[u8]) {
    let (line, rest) = super::first_line(bytes).unwrap_or_default();
    let key = line.parse::<VerifyingKey>();
    if let Ok(key) = &key {
        assert_eq!(key.to_string().parse().as_ref(), Ok(key), "written and read it is another");
    }
    if let Ok(note) = Note::parse(bytes) {
        check(&note, bytes);
    }
    let Ok(notes) = Note::parse_all(rest) else { return };
    for note in &notes {
        let text = note.to_string();
        check(note, text.as_bytes());
        if let Ok(key) = &key {
            // Whoever signed it: the answer is the same each time.
            assert_eq!(note.verify(key), note.verify(key));
        }
    }
    // Written one behind the other they are the same notes.
    let text: String = notes.iter().map(|note| format!("{note}\n")).collect();
    assert_eq!(Note::parse_all(&text).as_ref(), Ok(&notes));
}

/// A note that was read is written as it was, and so is what it says.
fn check(note: &Note, bytes: &[u8]) {
    assert!(bytes.len() <= MAX_NOTE_BYTES);
    assert_eq!(note.to_string().as_bytes(), bytes, "another note is written");
    assert_eq!(Note::parse(bytes).as_ref(), Ok(note));
    if let Ok(checkpoint) = Checkpoint::of_note(note) {
        assert!(note.text().starts_with(&checkpoint.to_string()), "it says more than it holds");
    }
}
