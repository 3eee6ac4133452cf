//! What an automatic reply announces beside an absence: that its author has left, or has another address.
//!
//! Decides   by short phrases that answering machines' owners write, in the languages of most mail to desks.
//! Follows   R53.
//! Never     reads what the reply quotes.

use crate::mail::text::fold;

use super::words::{LEFT, MOVED};

/// Characters at the beginning of the text in which an announcement stands.
const CHARS_MAX: usize = 4_000;

/// What an automatic reply announces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notice {
    /// Its author works there no more.
    Left,
    /// Its author has another address.
    Moved,
}

/// What the text of an automatic reply announces; `None` where it only says that its author is away.
#[must_use]
pub fn notice(text: &str) -> Option<Notice> {
    let own: Vec<&str> = text.lines().filter(|line| !line.trim_start().starts_with('>')).collect();
    let start: String = own.join(" ").chars().take(CHARS_MAX).collect();
    let words = fold(&start).to_lowercase().replace('’', "'");
    let says = |phrases: &[&str]| phrases.iter().any(|phrase| words.contains(phrase));
    if says(LEFT) {
        Some(Notice::Left)
    } else if says(MOVED) {
        Some(Notice::Moved)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::{Notice, notice};

    #[test]
    fn r53_who_left_and_who_moved_is_told_from_who_is_away() {
        for (text, expected) in [
            ("Jane has left\nthe company. Please write to Max.", Some(Notice::Left)),
            ("I no longer work for Customer Ltd.", Some(Notice::Left)),
            ("Frau Doe ist nicht mehr bei uns tätig.", Some(Notice::Left)),
            ("Jane Doe a quitté l’entreprise.", Some(Notice::Left)),
            ("Jane is niet meer werkzaam bij ons.", Some(Notice::Left)),
            ("Jane ya no trabaja en la empresa.", Some(Notice::Left)),
            ("Jane non lavora più qui.", Some(Notice::Left)),
            ("A Jane já não trabalha connosco.", Some(Notice::Left)),
            ("My new e-mail address is jane@new.example.", Some(Notice::Moved)),
            ("Meine neue E-Mail-Adresse lautet jane@new.example.", Some(Notice::Moved)),
            ("Ma nouvelle adresse e-mail est jane@new.example.", Some(Notice::Moved)),
            ("Mijn nieuwe e-mailadres is jane@new.example.", Some(Notice::Moved)),
            ("Mi nueva dirección de correo es jane@new.example.", Some(Notice::Moved)),
            ("Il mio nuovo indirizzo e-mail è jane@new.example.", Some(Notice::Moved)),
            ("O meu novo endereço de e-mail é jane@new.example.", Some(Notice::Moved)),
            ("I left for a holiday and am back on Monday. My address is the same.", None),
            ("Ich bin bis Montag nicht im Unternehmen.", None),
            ("I am away.\n> Jane has left the company.", None),
        ] {
            assert_eq!(notice(text), expected, "{text}");
        }
    }
}
