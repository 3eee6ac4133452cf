//! Banners: what a provider writes into mail on its way in, `[intake] banner` or learned (R44).
//!
//! Decides   which lines, or which beginning of a line, are such a banner.
//! Never     takes more than those words: what follows them on a line is the author's.

use std::ops::Range;

use super::lines::Line;
use super::notice;

/// Blanks the banners. Returns which lines were one, and whether a line was cut in two.
pub fn take(lines: &mut [Line], banners: &[&str]) -> (Vec<bool>, bool) {
    let mut taken = vec![false; lines.len()];
    let mut cut = false;
    for banner in banners.iter().map(|b| words(b)).filter(|b| !b.is_empty()) {
        for index in 0..lines.len() {
            let Some((last, rest_at)) = found(lines, index, &banner) else {
                continue;
            };
            let rest = lines.get(last).and_then(|l| l.text.get(rest_at..)).unwrap_or_default().to_owned();
            let whole = !rest.chars().any(char::is_alphanumeric);
            for at in index..=last {
                if let (Some(line), Some(flag)) = (lines.get_mut(at), taken.get_mut(at)) {
                    line.text.clear();
                    *flag = true;
                }
            }
            if let (false, Some(line), Some(flag)) = (whole, lines.get_mut(last), taken.get_mut(last)) {
                line.text = rest.trim_start_matches(|c: char| !c.is_alphanumeric() && c != '#').to_owned();
                line.emphasised = None;
                *flag = false;
                cut = true;
            }
        }
    }
    (taken, cut)
}

/// Blanks the notice on top, if it has these words, and flags its lines.
pub fn take_notice(lines: &mut [Line], is_html: bool, wanted: &str, taken: &mut [bool]) {
    let same =
        |block: &Range<usize>| lines.get(block.clone()).is_some_and(|own| notice::words(own).join(" ") == wanted);
    for index in notice::on_top(lines, is_html).filter(same).into_iter().flatten() {
        if let (Some(line), Some(flag)) = (lines.get_mut(index), taken.get_mut(index)) {
            line.text.clear();
            *flag = true;
        }
    }
}

/// The line in which a banner that begins with line `from` ends, and the octet after it there.
fn found(lines: &[Line], from: usize, banner: &[String]) -> Option<(usize, usize)> {
    let mut left = banner.iter();
    for (index, line) in lines.iter().enumerate().skip(from) {
        let mut at = 0usize;
        for word in line.text.split_inclusive(|c: char| !c.is_alphanumeric()) {
            at = at.saturating_add(word.len());
            let bare = word.trim_end_matches(|c: char| !c.is_alphanumeric());
            if bare.is_empty() {
                continue;
            }
            let wanted = left.next()?;
            if bare.to_lowercase() != *wanted {
                return None;
            }
            if left.len() == 0 {
                return Some((index, at));
            }
        }
        if index == from && left.len() == banner.len() {
            return None;
        }
    }
    None
}

/// Letters and digits in lower case, all else apart.
fn words(text: &str) -> Vec<String> {
    text.split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty()).map(str::to_lowercase).collect()
}
