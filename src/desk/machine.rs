//! A machine writes into a case in somebody's name.
//!
//! Decides   what of it stays a silent entry, and what of that the agents see all the same, once for each author: that
//!           somebody has left or has another address, or wants a proof that we are people (R53).
//! Never     changes status, owner or clocks (R54).

use crate::mail::Nature;
use crate::mail::nature::notice::{Notice, notice};
use crate::mail::references::{base_subject, is_answer};

use super::CaseView;
use super::arriving::Arriving;
use super::case::{Direction, Entry};

/// Does this mail stay a silent entry of the case? Words of a subject are no proof of a challenge where it is the subject
/// of the case.
#[must_use]
pub fn is_silent(arriving: &Arriving<'_>, known: &CaseView) -> bool {
    let mail = &arriving.arrival.mail;
    let own_subject = !is_answer(&mail.subject) && base_subject(&mail.subject) != base_subject(&known.case.subject);
    mail.nature.is_silent() || (mail.nature == Nature::Challenge && own_subject)
}

/// What the agents are told above a silent entry; `None` where it says nothing to them, or they were shown it before.
#[must_use]
pub fn news(arriving: &Arriving<'_>, known: &CaseView, entry: &Entry) -> Option<&'static str> {
    let mut before = known
        .entries
        .iter()
        .map(|(_, e)| e)
        .filter(|e| e.silent && e.direction == Direction::Inbound && e.author == entry.author);
    let mail = &arriving.arrival.mail;
    let announced = match mail.nature {
        Nature::AutoReply => notice(&mail.text),
        _ => None,
    };
    match (announced, mail.nature) {
        (Some(_), _) if before.any(|e| notice(&e.body) == announced) => None,
        (Some(Notice::Left), _) => {
            Some("an automatic reply says that its author works there no more: an answer may reach nobody.")
        }
        (Some(Notice::Moved), _) => Some("an automatic reply says that its author has another address."),
        (None, Nature::Challenge) if !before.any(|e| e.subject == entry.subject) => {
            Some("a machine wants a proof that a person wrote to its owner: until then they may get nothing from us.")
        }
        (None, _) => None,
    }
}
