//! The known name that a wrong one was probably meant to be.

/// Most names that one is compared with: every comparison costs the product of the lengths.
const MAX_CANDIDATES: usize = 500;

/// Fewest characters of a name that is taken for the beginning or the end of another.
const MIN_PART: usize = 6;

/// The nearest of `known` to `wrong`, if one is near: at most a third of the characters differ, or one is the beginning or
/// the end of the other; case and `-`/`_` aside.
#[must_use]
pub(crate) fn nearest<'k>(wrong: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let plain = |text: &str| -> Vec<char> { text.to_lowercase().replace('-', "_").chars().take(128).collect() };
    let wrong = plain(wrong);
    let one_is_part_of_the_other = |name: &[char]| {
        let (short, long) = if wrong.len() < name.len() { (&wrong[..], name) } else { (name, &wrong[..]) };
        short.len() >= MIN_PART && (long.starts_with(short) || long.ends_with(short))
    };
    let most = (wrong.len() / 3).max(1);
    known
        .into_iter()
        .take(MAX_CANDIDATES)
        .filter_map(|name| {
            let plain = plain(name);
            let distance = distance(&wrong, &plain);
            (distance <= most || one_is_part_of_the_other(&plain)).then_some((distance, name))
        })
        .min_by_key(|&(distance, _)| distance)
        .map(|(_, name)| name)
}

/// A help text that offers the nearest name, else lists what is known.
#[must_use]
pub fn suggestion<'k>(wrong: &str, known: impl IntoIterator<Item = &'k str> + Clone) -> Option<String> {
    const MAX_LISTED: usize = 16;
    if let Some(name) = nearest(wrong, known.clone()) {
        return Some(format!("did you mean `{name}`?"));
    }
    let known: Vec<&str> = known.into_iter().collect();
    match known.len() {
        0 => None,
        1..=MAX_LISTED => {
            Some(format!("known are {}", known.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")))
        }
        _ => None,
    }
}

/// Edits between two words: insertions, deletions, replacements, and swaps of neighbours.
fn distance(from: &[char], to: &[char]) -> usize {
    let mut before_last = vec![0; to.len() + 1];
    let mut last: Vec<usize> = (0..=to.len()).collect();
    let mut previous = None;
    for (row, &a) in from.iter().enumerate() {
        let mut current = vec![row + 1];
        let mut left = row + 1;
        let mut previous_to = None;
        for (column, &b) in to.iter().enumerate() {
            let at = |line: &[usize], index: usize| line.get(index).copied().unwrap_or(usize::MAX / 2);
            let mut best = (at(&last, column) + usize::from(a != b)).min(at(&last, column + 1) + 1).min(left + 1);
            if column > 0 && previous == Some(b) && previous_to == Some(a) {
                best = best.min(at(&before_last, column - 1) + 1);
            }
            current.push(best);
            left = best;
            previous_to = Some(b);
        }
        before_last = std::mem::replace(&mut last, current);
        previous = Some(a);
    }
    last.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_offered_and_far_ones_are_not() {
        let known = ["personal_data", "data_subject", "sqlite"];
        assert_eq!(nearest("persnal_data", known), Some("personal_data"));
        assert_eq!(nearest("personal-data", known), Some("personal_data"));
        assert_eq!(nearest("SQLiet", known), Some("sqlite"));
        assert_eq!(nearest("personal", known), Some("personal_data"));
        assert_eq!(nearest("subject", known), Some("data_subject"));
        assert_eq!(nearest("mongodb", known), None);
        assert_eq!(nearest("", known), None);
        assert_eq!(suggestion("zzz", ["a", "b"]).as_deref(), Some("known are `a`, `b`"));
        assert_eq!(suggestion("zzz", []), None);
    }

    #[test]
    fn edits_are_counted() {
        let of = |a: &str, b: &str| distance(&a.chars().collect::<Vec<_>>(), &b.chars().collect::<Vec<_>>());
        assert_eq!(
            (of("", "abc"), of("abc", ""), of("kitten", "sitting"), of("ab", "ba"), of("x", "x")),
            (3, 3, 3, 1, 0)
        );
    }
}
