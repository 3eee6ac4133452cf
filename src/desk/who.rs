//! Who the customer of a new case is, and which mailbox takes it (R13, R20).

use crate::mail::{Address, NameAddr};

use super::arriving::Arriving;
use super::case::Case;
use super::policy::Mailbox;
use super::routing::is_our_own;

/// The customer of a new case (R20): `None` if the mail names nobody.
#[must_use]
pub fn customer(arriving: &Arriving<'_>) -> Option<NameAddr> {
    let mail = &arriving.arrival.mail;
    let author = mail.author().or(mail.sender.as_ref())?;
    let policy = arriving.policy;
    let single_reply_to = match mail.reply_to.as_slice() {
        [one] => Some(one),
        _ => None,
    };
    let is_form = arriving.arrival.form || policy.forms.iter().any(|f| f.key() == author.address.key());
    if is_form || is_our_own(policy, &author.address) || author.address.is_no_reply() {
        let named = mail.original_from.as_ref().or(single_reply_to);
        return Some(named.filter(|n| !is_our_own(policy, &n.address)).unwrap_or(author).clone());
    }
    if let Some(reply_to) = single_reply_to
        && !is_our_own(policy, &reply_to.address)
        && reply_to.address.organisational_domain() == author.address.organisational_domain()
    {
        let name = if reply_to.name.is_empty() { author.name.clone() } else { reply_to.name.clone() };
        return Some(NameAddr { name, address: reply_to.address.clone() });
    }
    Some(author.clone())
}

/// The mailbox that To names first, else where the mail lay (R13).
#[must_use]
pub fn home<'a>(arriving: &Arriving<'a>) -> Option<&'a Mailbox> {
    let named = arriving
        .arrival
        .mail
        .recipients()
        .find_map(|recipient| arriving.policy.mailboxes.values().find(|m| m.address.key() == recipient.key()));
    named.or_else(|| arriving.policy.mailboxes.get(&arriving.arrival.mailbox))
}

/// Somebody whose Reply-To is the customer (R20): what they write later from the same From is theirs too.
#[must_use]
pub fn other_author<'a>(arriving: &Arriving<'a>, case: &Case) -> Option<&'a NameAddr> {
    let author = arriving.arrival.mail.author()?;
    let same_organisation = author.address.organisational_domain() == case.customer.address.organisational_domain();
    let other = author.address.key() != case.customer.address.key();
    (other && same_organisation && !is_our_own(arriving.policy, &author.address)).then_some(author)
}

/// Stands for the author of a mail that names none; `invalid` never resolves (RFC 2606 section 2).
#[must_use]
pub fn nobody() -> NameAddr {
    let address = Address::parse("nobody@unknown.invalid");
    address.map_or_else(
        || NameAddr { name: String::new(), address: Address::unknown() },
        |address| NameAddr { name: "somebody who gave no address".to_owned(), address },
    )
}
