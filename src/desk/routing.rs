//! Which case a mail belongs to.
//!
//! Decides   token in a recipient field, then in an id of ours, then a Message-ID we hold, then the subject
//!           tag, else a new case (R10–R14).
//! Follows   RFC 5322 section 3.6.4 (ancestors), RFC 5233 (sub-address).
//! Never     believes subject words, an id without our MAC from somebody who is no party, or a forged token.

use crate::mail::Address;
use crate::mail::references::{ancestors, case_tags};

use super::arriving::Arriving;
use super::case::Status;
use super::policy::{Agent, Mailbox, Policy, ReplyAddress};
use super::token::{CaseKey, Class, PartyId, Token};
use super::{Decision, LogLine, Outcome, Side};
use super::{Effect, notified, standing};

/// Where a mail goes, and why.
#[derive(Debug, Clone, Default)]
pub struct Route {
    /// The case that takes it.
    pub case: Option<CaseKey>,
    /// The ended case that a new one continues (R11, R12).
    pub continues: Option<CaseKey>,
    /// The case whose address a stranger used for something new (R11).
    pub borrowed: Option<CaseKey>,
    /// The notification that this mail answers to open its case, by the one who got it (R72).
    pub notification: Option<CaseKey>,
    /// The token that held.
    pub token: Option<Token>,
    /// The token stood in a recipient field (or counts as if, R4).
    pub token_in_address: bool,
    /// A token with a wrong MAC was there (R14).
    pub forged: bool,
    /// Further cases that were addressed; they get a pointer (R10).
    pub pointers: Vec<CaseKey>,
    /// The rule that held.
    pub rule: &'static str,
    /// In words.
    pub because: String,
}

impl Route {
    /// The agent-class token that held, if one did.
    #[must_use]
    pub fn agent_token(&self) -> Option<Token> {
        self.token.filter(|t| t.class == Class::Agent)
    }
}

/// The agent to whom a party number belongs.
#[must_use]
pub fn agent_of(policy: &Policy, party: PartyId) -> Option<&Agent> {
    policy.agents.values().find(|a| PartyId::of_agent(&a.name) == party)
}

/// The agent whose registered address this is, exactly (R21).
#[must_use]
pub fn agent_by_address<'a>(policy: &'a Policy, address: &Address) -> Option<&'a Agent> {
    policy.agents.values().find(|a| a.addresses.iter().any(|mine| mine.same_exact_agent(address)))
}

/// Is this one of our own addresses, tokened or plain?
#[must_use]
pub fn is_our_own(policy: &Policy, address: &Address) -> bool {
    policy.mailboxes.values().any(|mailbox| {
        mailbox.address.key() == address.key()
            || match &mailbox.reply_address {
                ReplyAddress::Plain => false,
                ReplyAddress::Pattern { prefix, domain, .. } => {
                    let local = address.local().to_ascii_lowercase();
                    address.domain() == domain && !prefix.is_empty() && local.starts_with(&prefix.to_ascii_lowercase())
                }
            }
    }) || {
        let mailboxes: Vec<&Mailbox> = policy.mailboxes.values().collect();
        policy.keys.read_address(address, &mailboxes).is_some()
    }
}

/// Where this mail goes (R10–R12).
#[must_use]
pub fn route(arriving: &Arriving<'_>) -> Route {
    let (mut tokens, forged) = arriving.address_tokens();
    let in_address = !tokens.is_empty() || arriving.is_plain();
    if arriving.is_plain() {
        tokens.extend(arriving.id_tokens());
    }
    tokens.sort_by_key(|t| !is_authors_own(arriving, t));
    let tokens = known(arriving, tokens);
    let mut route = by_tokens(arriving, &tokens, in_address)
        .or_else(|| by_tokens(arriving, &known(arriving, arriving.id_tokens()), false))
        .or_else(|| by_known_id(arriving))
        .or_else(|| notified::by_message_id(arriving))
        .or_else(|| by_subject_tag(arriving))
        .unwrap_or_else(|| Route { rule: "R10", because: "nothing names a case".to_owned(), ..Route::default() });
    route.forged = forged;
    route
}

fn known(arriving: &Arriving<'_>, mut tokens: Vec<Token>) -> Vec<Token> {
    tokens.retain(|t| arriving.view.cases.contains_key(&t.case) || notified::is_known(arriving.view, t));
    tokens
}

fn is_authors_own(arriving: &Arriving<'_>, token: &Token) -> bool {
    let Some(author) = arriving.arrival.mail.author() else {
        return false;
    };
    match token.class {
        Class::Agent => agent_of(arriving.policy, token.party)
            .is_some_and(|agent| agent.addresses.iter().any(|a| a.same_exact_agent(&author.address))),
        Class::Customer | Class::Notification => token.party == PartyId::of_party(token.case, &author.address),
        Class::Bounce => false,
    }
}

fn by_tokens(arriving: &Arriving<'_>, tokens: &[Token], in_address: bool) -> Option<Route> {
    let token = *tokens.first()?;
    let Some(named) = arriving.view.cases.get(&token.case) else {
        return Some(notified::by_token(arriving, token, in_address));
    };
    let place = if in_address { "recipient field" } else { "Message-ID that it answers" };
    let mut route = Route {
        token: Some(token),
        token_in_address: in_address,
        rule: "R10",
        because: format!("a token of case {} in a {place}", named.case.reference),
        ..Route::default()
    };
    let mut pointers: Vec<CaseKey> = Vec::new();
    for other in tokens.iter().skip(1).map(|t| t.case) {
        if other != token.case && !pointers.contains(&other) {
            pointers.push(other);
        }
    }
    route.pointers = pointers;
    if token.class == Class::Notification && !arriving.author_is_party(named) {
        return Some(notified::by_somebody_else(token, in_address));
    }
    let fresh = in_address && token.class != Class::Agent && token.class != Class::Bounce && arriving.is_fresh();
    if fresh && !arriving.author_is_party(named) {
        route.rule = "R11";
        route.because = format!("composed anew to an address of case {} by somebody else", named.case.reference);
        route.borrowed = Some(token.case);
        return Some(route);
    }
    if fresh && named.case.status == Status::Closed {
        route.rule = "R11";
        route.because = format!("composed anew to an address of closed case {}", named.case.reference);
        route.continues = Some(token.case);
        return Some(route);
    }
    settle(arriving, token.case, &mut route);
    Some(route)
}

fn by_known_id(arriving: &Arriving<'_>) -> Option<Route> {
    ancestors(&arriving.arrival.mail).iter().find_map(|id| {
        let hit = arriving
            .view
            .known_ids
            .iter()
            .find(|k| k.id == *id && k.mailbox == arriving.arrival.mailbox && !matches!(k.side, Side::Agent(_)))?;
        let case = arriving.view.cases.get(&hit.case)?;
        if !standing::enters_without_token(arriving, case) {
            return None;
        }
        let mut route = Route {
            rule: "R10",
            because: format!("answers a mail of case {}, of which its author is a party", case.case.reference),
            ..Route::default()
        };
        settle(arriving, hit.case, &mut route);
        Some(route)
    })
}

fn by_subject_tag(arriving: &Arriving<'_>) -> Option<Route> {
    case_tags(&arriving.arrival.mail.subject).into_iter().find_map(|reference| {
        let (key, case) = arriving.view.cases.iter().find(|(_, c)| c.case.reference == reference)?;
        if !standing::enters_without_token(arriving, case) {
            return None;
        }
        let mut route = Route {
            rule: "R10",
            because: format!("the subject names case {reference}, of which its author is a party"),
            ..Route::default()
        };
        settle(arriving, *key, &mut route);
        Some(route)
    })
}

/// Follows merges and successors to the case that takes mail (R12, R15).
fn settle(arriving: &Arriving<'_>, start: CaseKey, route: &mut Route) {
    let mut key = start;
    for _ in 0..super::ROUNDS_MAX {
        let Some(known) = arriving.view.cases.get(&key) else {
            break;
        };
        if known.case.takes_mail(arriving.event.at_ms, arriving.policy.reopen_ms) {
            route.case = Some(key);
            return;
        }
        match known.case.merged_into.or(known.case.successor) {
            Some(next) => key = next,
            None => break,
        }
    }
    if !arriving.view.cases.get(&key).is_some_and(|known| arriving.author_is_party(known))
        && route.token.is_none_or(|t| t.class != Class::Agent)
    {
        // R11: anybody else opens their own, unlinked
        route.because = format!("{}; that one is closed, and its author is no party of it", route.because);
        route.borrowed = Some(key);
        return;
    }
    route.rule = "R12";
    route.because = format!("{}; that one is closed for longer than it reopens", route.because);
    route.continues = Some(key);
}

/// Is it a copy of a mail that we hold (R13)? The same id with other content is another mail.
#[must_use]
pub fn copy(arriving: &Arriving<'_>, route: &Route) -> Option<Decision> {
    let copy = arriving.view.copies.iter().find(|c| c.message_id == arriving.arrival.mail.message_id)?;
    let mut effects = Vec::new();
    let first = copy.case;
    if let (Some(first), Some(target), Some(_)) = (first, route.case, route.token)
        && first != target
        && copy.opened
        && arriving.view.cases.get(&first).is_some_and(|c| c.case.merged_into.is_none())
    {
        effects.push(Effect::MergeInto(first, target));
        effects.push(log(target, "merged", "the second copy of a mail bore this case's token"));
        return Some(Decision {
            outcome: Outcome::Duplicate,
            rule: "R13",
            because: "a copy of a mail that we hold; its token names another case, which takes the first copy's"
                .to_owned(),
            case: Some(target),
            effects,
        });
    }
    if let Some(first) = first
        && copy.mailbox != arriving.arrival.mailbox
    {
        effects.push(log(first, "copy", &format!("the same mail also lies in mailbox {}", arriving.arrival.mailbox)));
    }
    Some(Decision {
        outcome: Outcome::Duplicate,
        rule: "R13",
        because: "the same Message-ID with the same content is one mail".to_owned(),
        case: first,
        effects,
    })
}

fn log(case: CaseKey, kind: &'static str, detail: &str) -> Effect {
    Effect::Log(case, LogLine { kind, by: "yesreply".to_owned(), rule: "R13", detail: detail.to_owned() })
}
