//! Words that we know: a text as the set of its runs of three words, so that re-wrapping, quoting and
//! re-encoding by a client do not hide it.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

/// Words of a line that must be known for the line to be known, in hundredths.
const SHARE_KNOWN: usize = 70;

/// The runs of some texts.
#[derive(Debug, Default)]
pub struct Shingles {
    runs: HashSet<u64>,
    lines: HashSet<u64>,
}

impl Shingles {
    /// Of these texts.
    #[must_use]
    pub fn of(texts: &[&str]) -> Self {
        let mut shingles = Shingles::default();
        for text in texts {
            let words = words(text);
            for window in words.windows(3) {
                shingles.runs.insert(hash(window));
            }
            for line in text.lines() {
                let line = self::words(line);
                if !line.is_empty() {
                    shingles.lines.insert(hash(&line));
                }
            }
        }
        shingles
    }

    /// Nothing is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Is this line known: most of its runs, or, of a short one, all of it as a line?
    #[must_use]
    pub fn holds(&self, line: &str) -> bool {
        if self.is_empty() {
            return false;
        }
        let words = words(line);
        match words.len() {
            0 => false,
            1..=3 => self.lines.contains(&hash(&words)) || (words.len() == 3 && self.runs.contains(&hash(&words))),
            _ => {
                let runs = words.windows(3);
                let all = runs.len();
                let known = runs.filter(|run| self.runs.contains(&hash(run))).count();
                known.saturating_mul(100) >= all.saturating_mul(SHARE_KNOWN)
            }
        }
    }
}

/// Is a line so short that it proves nothing?
#[must_use]
pub fn is_short(line: &str) -> bool {
    words(line).len() <= 3
}

/// Letters and digits in lower case, all else apart.
fn words(text: &str) -> Vec<String> {
    text.split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty()).map(str::to_lowercase).collect()
}

fn hash(words: &[String]) -> u64 {
    let mut hasher = DefaultHasher::new();
    words.hash(&mut hasher);
    hasher.finish()
}
