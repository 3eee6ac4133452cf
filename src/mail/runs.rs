//! Runs of words: what a text shares with another one, however clients wrapped, quoted or re-encoded it.
//!
//! Decides   whether a line of one text stands in another: a short line whole, a long one by any eight words in a row.
//! Never     is confused by quote marks, line ends or punctuation, and takes linear time.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use super::layers::as_seen;

/// Words in a row that are no coincidence.
const RUN_WORDS: usize = 8;
/// Words of a line that may be looked for as a whole.
const LINE_WORDS_MIN: usize = 3;
/// A line of fewer characters counts only where it is a whole line there too.
const LINE_CHARS_MIN: usize = 24;
/// A line of few words and so many characters is one of a script without spaces.
const DENSE_CHARS_MIN: usize = 8;

/// A text in which lines are looked for.
#[derive(Debug, Default)]
pub struct Runs {
    by_length: HashMap<usize, HashSet<u64>>,
    lines: HashSet<u64>,
    dense: String,
}

impl Runs {
    /// Of these texts.
    #[must_use]
    pub fn of<'a>(texts: impl IntoIterator<Item = &'a str>) -> Self {
        let mut runs = Runs::default();
        for text in texts {
            let seen = as_seen(text);
            let words = words(&seen);
            for length in LINE_WORDS_MIN..=RUN_WORDS {
                let set = runs.by_length.entry(length).or_default();
                set.extend(words.windows(length).map(hash));
            }
            runs.lines.extend(seen.lines().map(self::words).filter(|l| !l.is_empty()).map(|l| hash(&l)));
            if !seen.is_ascii() {
                runs.dense.extend(seen.chars().filter(|c| c.is_alphanumeric()));
                runs.dense.push('\n');
            }
        }
        runs
    }

    fn has(&self, run: &[&str]) -> bool {
        self.by_length.get(&run.len()).is_some_and(|set| set.contains(&hash(run)))
    }

    /// Does a line of `text` stand here that does not stand in `apart` too?
    #[must_use]
    pub fn hold_a_line_of(&self, text: &str, apart: &Runs) -> bool {
        let seen = as_seen(text);
        seen.lines().any(|line| self.hold_line(line, apart))
    }

    fn hold_line(&self, line: &str, apart: &Runs) -> bool {
        let words = words(line);
        if words.len() >= RUN_WORDS {
            return words.windows(RUN_WORDS).any(|run| self.has(run) && !apart.has(run));
        }
        if words.len() >= LINE_WORDS_MIN && line.trim().chars().count() >= LINE_CHARS_MIN {
            return self.has(&words) && !apart.has(&words);
        }
        if words.len() >= LINE_WORDS_MIN {
            let whole = hash(&words);
            return self.lines.contains(&whole) && !apart.lines.contains(&whole);
        }
        let dense: String = line.chars().filter(|c| c.is_alphanumeric()).collect();
        !dense.is_ascii()
            && dense.chars().count() >= DENSE_CHARS_MIN
            && self.dense.contains(&dense)
            && !apart.dense.contains(&dense)
    }
}

/// Letters and digits; everything else is apart.
fn words(text: &str) -> Vec<&str> {
    text.split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty()).collect()
}

fn hash(words: &[&str]) -> u64 {
    let mut hasher = DefaultHasher::new();
    words.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stands(line: &str, text: &str, apart: &str) -> bool {
        Runs::of([text]).hold_a_line_of(line, &Runs::of([apart]))
    }

    #[test]
    fn lines_are_found_however_they_are_wrapped() {
        let note = "She has called three times already and wants her money back at once.";
        assert!(stands(note, "> She has called three\n> times already and wants\n>> her money back at once", ""));
        assert!(stands(note, "SHE HAS CALLED   three times already, and wants!", ""));
        assert!(!stands(note, "She has called three times.", ""));
        assert!(stands("She is a liar.", "Hello\n> She is a liar.\nBye", ""));
        assert!(!stands("She is a liar.", "I do not think that she is a liar.", ""));
        assert!(!stands(note, note, "well: She has called three times already and wants her money back at once."));
        assert!(stands("彼女は三回も電話してきた", "はい。彼女は三回も電話してきた。", ""));
        assert!(!stands("Thanks", "Thanks", ""));
    }
}
