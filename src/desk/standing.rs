//! Who is speaking, and what each may do (R30).
//!
//! Decides   the standing of every author, once; everybody else asks [`rights`], the one table.
//! Follows   R30–R33, R40; RFC 8601 through `mail::verdict`.
//! Never     takes a token for a person: it says which case, and on whose address a mail came.

use crate::mail::verdict::{Opinion, Verdict};

use super::CaseView;
use super::arriving::Arriving;
use super::case::party_of;
use super::policy::{Agent, ReplyAddress, RequireAuth};
use super::token::{Class, PartyId, Token};
use super::who::{customer, other_author};

/// What the desk knows of a mail's author (R30).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Own token, own From, verdict as required.
    Agent,
    /// Known in this case.
    Party,
    /// Holds a token but is nobody we know there, or fails where they used to pass.
    Unverified,
    /// Everybody else.
    Stranger,
    /// The desk itself.
    System,
}

/// What an author may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rights {
    /// Their mail opens, reopens and goes on with a case: it sets its status and runs its clock.
    pub runs_the_clock: bool,
    /// A Message-ID that we hold, or a subject tag, brings their mail into a case without any token (R10).
    pub enters_without_token: bool,
    /// An agent's answer to their mail leaves without a further word (R33).
    pub is_answered: bool,
    /// The desk may write to them by itself (R32, R50).
    pub gets_automatic_mail: bool,
    /// Their commands count, and their words may leave to customers (R40).
    pub speaks_for_the_desk: bool,
}

/// The table.
#[rustfmt::skip]
#[must_use]
pub const fn rights(standing: Standing) -> Rights {
    let (runs_the_clock, enters_without_token, is_answered, gets_automatic_mail, speaks_for_the_desk) = match standing {
        //                       clock  enters answered automatic speaks
        Standing::Agent      => (false, false, false,   false,    true ),
        Standing::Party      => (true,  true,  true,    true,     false),
        Standing::Unverified => (true,  false, false,   false,    false),
        Standing::Stranger   => (true,  false, true,    true,     false),
        Standing::System     => (false, false, false,   false,    false),
    };
    Rights { runs_the_clock, enters_without_token, is_answered, gets_automatic_mail, speaks_for_the_desk }
}

impl Standing {
    const ALL: [Standing; 5] =
        [Standing::Agent, Standing::Party, Standing::Unverified, Standing::Stranger, Standing::System];

    /// The word in the store and in JSON.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Standing::Agent => "agent",
            Standing::Party => "party",
            Standing::Unverified => "unverified",
            Standing::Stranger => "stranger",
            Standing::System => "system",
        }
    }

    /// From the store.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.word() == word)
    }

    /// What this author may do.
    #[must_use]
    pub const fn may(self) -> Rights {
        rights(self)
    }
}

/// The author of a mail, as a case sees them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Author {
    /// Their standing.
    pub standing: Standing,
    /// Their number; the customer's where they write as the customer (R20).
    pub number: PartyId,
    /// On whose personal address the mail came, if it is a party of the case and not the author (R33).
    pub holder: PartyId,
    /// Why they are not taken for who they say they are; `None` where there is no doubt.
    pub doubt: Option<String>,
}

/// The author of a mail that goes into this case (R30, R32).
#[must_use]
pub fn in_case(arriving: &Arriving<'_>, known: &CaseView, token: Option<Token>) -> Author {
    let Some(author) = arriving.arrival.mail.author() else {
        let doubt = Some("it names no author".to_owned());
        return Author { standing: Standing::Unverified, number: PartyId::NOBODY, holder: PartyId::NOBODY, doubt };
    };
    let own = PartyId::of_party(known.case.key, &author.address);
    let Some(party) = party_of(&known.parties, &author.address) else {
        let doubt = Some(format!("{} is nobody whom this case knows", author.address));
        return Author {
            standing: Standing::Unverified,
            number: own,
            holder: holder(arriving, known, token, own),
            doubt,
        };
    };
    let doubt = doubt(arriving, party.has_passed);
    // who opened the case with another Reply-To writes as its customer (R20)
    let as_customer = other_author(arriving, &known.case).is_some()
        && customer(arriving).is_some_and(|c| c.address.key() == known.case.customer.address.key());
    let number = if as_customer { PartyId::of_party(known.case.key, &known.case.customer.address) } else { party.id };
    let standing = if doubt.is_some() { Standing::Unverified } else { Standing::Party };
    Author { standing, number, holder: holder(arriving, known, token, number), doubt }
}

/// The author of a mail that opens a case.
#[must_use]
pub fn of_opener(arriving: &Arriving<'_>, number: PartyId, continues: bool) -> Author {
    let doubt = doubt(arriving, false);
    let standing = match (&doubt, continues) {
        (Some(_), _) => Standing::Unverified,
        (None, true) => Standing::Party,
        (None, false) => Standing::Stranger,
    };
    Author { standing, number, holder: PartyId::NOBODY, doubt }
}

fn holder(arriving: &Arriving<'_>, known: &CaseView, token: Option<Token>, author: PartyId) -> PartyId {
    let on_their_address = token.filter(|t| matches!(t.class, Class::Customer | Class::Notification));
    // a merged case keeps its parties: the person is found by address
    let person = on_their_address
        .and_then(|t| arriving.view.cases.get(&t.case)?.parties.iter().find(|p| p.id == t.party))
        .and_then(|p| party_of(&known.parties, &p.person.address));
    person.map(|p| p.id).filter(|id| *id != author).unwrap_or(PartyId::NOBODY)
}

/// Why an author may not be who From says (R32). A verdict counts only where somebody is there to give one.
fn doubt(arriving: &Arriving<'_>, passed_here: bool) -> Option<String> {
    if arriving.arrival.mail.from.len() > 1 {
        return Some("it names several authors".to_owned());
    }
    let security = &arriving.policy.security;
    security.anchor()?;
    let Opinion { verdict, because } = arriving.opinion(None);
    match verdict {
        Verdict::Pass => None,
        Verdict::Fail => Some(because),
        Verdict::None if security.require_auth == RequireAuth::Everyone => Some(because),
        // the application that hands a mail in has looked itself (R20)
        Verdict::None if arriving.arrival.vouched => None,
        Verdict::None if passed_here || arriving.view.author_has_passed => {
            Some(format!("mail of this author used to pass, and this one did not: {because}"))
        }
        Verdict::None => None,
    }
}

/// Does a party's mail enter a case without a token (R10)?
#[must_use]
pub fn enters_without_token(arriving: &Arriving<'_>, known: &CaseView) -> bool {
    in_case(arriving, known, None).standing.may().enters_without_token
}

/// Is this agent's mail to be proved (R31)? By default only once a mail of theirs has passed under what is trusted now,
/// so that naming a server never locks a desk out; always where ids stand for addresses (R4).
#[must_use]
pub fn must_pass(arriving: &Arriving<'_>, agent: &Agent) -> bool {
    let Some(anchor) = arriving.policy.security.anchor() else {
        return false;
    };
    let plain = arriving.mailbox().is_some_and(|m| m.reply_address == ReplyAddress::Plain);
    match arriving.policy.security.require_auth {
        RequireAuth::Off => false,
        RequireAuth::Agents | RequireAuth::Everyone => true,
        RequireAuth::Proven => plain || arriving.view.agents.get(&agent.name).is_some_and(|by| *by == anchor),
    }
}

/// Why a mail in an agent's name is not believed (R40): reason and remedy; `None` if all is well.
#[must_use]
pub fn doubt_of_agent(arriving: &Arriving<'_>, author: Option<&Agent>) -> Option<(String, String)> {
    let mail = &arriving.arrival.mail;
    let from: Vec<String> = mail.from.iter().map(|f| f.address.to_string()).collect();
    let Some(agent) = author.filter(|_| mail.from.len() == 1) else {
        let remedy = "If it was you, write from an address that is registered for you, or ask your operator to register \
                      this one.";
        let reason = format!("A mail to your reply address came from {}, not from you.", from.join(", "));
        return Some((reason, remedy.to_owned()));
    };
    let is_theirs = |a: &crate::mail::Address| agent.addresses.iter().any(|own| own.same_exact_agent(a));
    if mail.sender.as_ref().is_some_and(|s| !is_theirs(&s.address)) {
        let reason = "A mail to your reply address names another Sender than its From.";
        return Some((reason.to_owned(), "Write from your own account.".to_owned()));
    }
    let Opinion { verdict, because } = arriving.opinion(from.first().map(String::as_str));
    let refused = match verdict {
        Verdict::Pass => false,
        Verdict::Fail => arriving.policy.security.require_auth != RequireAuth::Off,
        Verdict::None => must_pass(arriving, agent),
    };
    refused.then(|| {
        let remedy =
            "If it was you, send it through your own provider's server; ask your operator to run yesreply check.";
        let reason = format!(
            "A mail in the name of {} ({}) did not pass our server's authentication: {because}.",
            agent.display_name,
            from.join(", ")
        );
        (reason, remedy.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r30_one_table_says_what_each_may_do() {
        for standing in Standing::ALL {
            let rights = standing.may();
            assert_eq!(rights.speaks_for_the_desk, standing == Standing::Agent, "{standing:?}");
            assert_eq!(rights.enters_without_token, standing == Standing::Party, "{standing:?}");
            assert_eq!(Standing::from_word(standing.word()), Some(standing));
        }
        let unverified = Standing::Unverified.may();
        assert!(unverified.runs_the_clock && !unverified.is_answered && !unverified.gets_automatic_mail);
    }
}
