//! What receivers will make of our mail, from the records of the sending domain.
//!
//! Decides   whether From is proven by SPF or by a signature of ours as DMARC asks, whether Reply-To is of the same
//!           organisation, and what the DNS lacks.
//! Follows   RFC 7208 sections 3.2, 4.5 (SPF), RFC 6376 section 3.6.1 (keys), RFC 7489 sections 3.1, 6.3, 6.6.3 (DMARC).
//! Never     knows from which addresses the relay sends: that SPF names them is the provider's to say.

use super::dkim::Signer;

/// TXT records of a name; why there was no answer.
pub type Records = Result<Vec<String>, String>;

/// What was found of one sending domain.
#[derive(Debug)]
pub struct Found<'a> {
    /// The domain of From.
    pub author: &'a str,
    /// The domain of the reverse-path.
    pub envelope: &'a str,
    /// The domain of Reply-To.
    pub reply: &'a str,
    /// The relay that sends.
    pub relay: &'a str,
    /// TXT records of the envelope's domain.
    pub spf: Records,
    /// TXT records of `_dmarc.` and the domain of From; of its organisation, if that has none.
    pub dmarc: Records,
    /// They are the organisation's, and the domain of From is one below it.
    pub inherited: bool,
    /// Keys that sign for the domain of From, and the TXT records under their names.
    pub keys: Vec<(&'a Signer, Records)>,
}

/// A sentence for the operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// Mail of ours is refused or filed as spam because of it.
    pub fails: bool,
    /// `spf`, `dkim`, `dmarc` or `reply_to`.
    pub about: &'static str,
    /// What holds, or is wrong.
    pub words: String,
    /// What to do; empty where there is nothing to do.
    pub remedy: String,
}

/// The registrable domain (public suffix list), lower case.
#[must_use]
pub fn organisation(domain: &str) -> &str {
    psl::domain_str(domain).unwrap_or(domain)
}

/// All sentences on a sending domain.
#[must_use]
pub fn said(found: &Found<'_>) -> Vec<Said> {
    let policy = Policy::of(&found.dmarc, found.inherited);
    let (spf, by_spf) = spf(found, &policy);
    let (mut all, by_key) = keys(found, &policy);
    all.insert(0, spf);
    all.push(dmarc(found, &policy, by_spf, by_key));
    all.push(reply_to(found));
    all
}

/// What the DMARC record asks.
struct Policy {
    record: bool,
    /// `p=reject`; `sp=none` where the record is an organisation's and says so for the domains below it.
    asks: String,
    /// It asks to refuse or file away what does not pass.
    enforces: bool,
    strict_spf: bool,
    strict_dkim: bool,
}

impl Policy {
    /// RFC 7489 section 6.3: `sp` is for the domains below an organisation's, and `p` stands where it is missing; in the
    /// record of a domain itself it says nothing.
    fn of(records: &Records, inherited: bool) -> Self {
        let record = records.iter().flatten().find(|r| tag(r, "v").as_deref() == Some("DMARC1"));
        let value = |name| record.and_then(|r| tag(r, name)).unwrap_or_default();
        let (name, asked) = match (inherited, value("sp")) {
            (true, asked) if !asked.is_empty() => ("sp", asked.to_ascii_lowercase()),
            _ => ("p", value("p").to_ascii_lowercase()),
        };
        let asked = if asked.is_empty() { "none".to_owned() } else { asked };
        Policy {
            record: record.is_some(),
            enforces: asked != "none",
            asks: format!("{name}={asked}"),
            strict_spf: value("aspf").eq_ignore_ascii_case("s"),
            strict_dkim: value("adkim").eq_ignore_ascii_case("s"),
        }
    }
}

/// The value of a tag of a `tag=value;` list, without white space.
fn tag(record: &str, name: &str) -> Option<String> {
    record.split(';').find_map(|pair| {
        let (key, value) = pair.split_once('=')?;
        (key.trim() == name).then(|| value.split_whitespace().collect())
    })
}

fn aligned(one: &str, author: &str, strict: bool) -> bool {
    one == author || (!strict && organisation(one) == organisation(author))
}

/// The sentence on SPF, and whether a pass would speak for From.
fn spf(found: &Found<'_>, policy: &Policy) -> (Said, bool) {
    let Found { author, envelope, relay, .. } = found;
    let say = |words: String, remedy: String| Said { fails: false, about: "spf", words, remedy };
    let records = match &found.spf {
        Ok(records) => records.iter().filter(|r| is_spf(r)).collect::<Vec<_>>(),
        Err(reason) => {
            return (say(format!("the SPF record of {envelope} could not be read: {reason}"), String::new()), false);
        }
    };
    let record = match records.as_slice() {
        [] => {
            let words = format!("{envelope}, the domain of our reverse-path, has no SPF record");
            return (
                say(words, format!("add {envelope} TXT \"v=spf1 a:{relay} -all\", or what {relay} tells you to")),
                false,
            );
        }
        [record] => record,
        more => {
            let words = format!("{envelope} has {} SPF records, so that none counts", more.len());
            return (Said { fails: true, ..say(words, "leave one".to_owned()) }, false);
        }
    };
    if !aligned(envelope, author, policy.strict_spf) {
        let words = format!("SPF of {envelope} does not speak for From at {author}: {}", unlike(policy.strict_spf));
        return (
            say(words, format!("set reply_address within {author}, or sign with a key of it ([dkim.NAME])")),
            false,
        );
    }
    let words =
        format!("a pass of SPF for {envelope} speaks for From at {author}; see that \"{record}\" covers {relay}");
    (say(words, String::new()), true)
}

/// RFC 7208 section 4.5: the version is a word of its own.
fn is_spf(record: &str) -> bool {
    record.split(' ').next().is_some_and(|version| version.eq_ignore_ascii_case("v=spf1"))
}

fn unlike(strict: bool) -> &'static str {
    if strict { "the DMARC record asks for the very same domain" } else { "it is another organisation's" }
}

/// The sentences on our keys, and whether one of them speaks for From.
fn keys(found: &Found<'_>, policy: &Policy) -> (Vec<Said>, bool) {
    let Found { author, relay, .. } = found;
    if found.keys.is_empty() {
        let words = format!("this gateway does not sign mail of {author}; see that {relay} does");
        let remedy = format!("or add a table [dkim.NAME] with domain = \"{author}\", selector and key");
        return (vec![Said { fails: false, about: "dkim", words, remedy }], false);
    }
    let mut speaks = false;
    let said = found.keys.iter().map(|(signer, records)| {
        let (said, good) = key(signer, records, author, policy);
        speaks |= good;
        said
    });
    let said = said.collect();
    (said, speaks)
}

fn key(signer: &Signer, records: &Records, author: &str, policy: &Policy) -> (Said, bool) {
    let name = signer.record_name();
    let say = |fails, words: String, remedy: String| Said { fails, about: "dkim", words, remedy };
    let add = || format!("add {name} TXT {}", signer.zone_strings());
    let records = match records {
        Ok(records) => records,
        Err(reason) => return (say(false, format!("{name} could not be read: {reason}"), String::new()), false),
    };
    let Some(published) = records.iter().find_map(|r| tag(r, "p")) else {
        return (say(true, format!("we sign with a key that the DNS does not have: {name}"), add()), false);
    };
    if published != signer.public_key() {
        return (say(true, format!("{name} publishes another key than the one that we sign with"), add()), false);
    }
    if !aligned(signer.domain(), author, policy.strict_dkim) {
        let words =
            format!("our signature of {} does not speak for From at {author}: {}", signer.domain(), unlike(true));
        return (say(false, words, format!("add a table [dkim.NAME] with domain = \"{author}\"")), false);
    }
    (say(false, format!("our signature {name} holds and speaks for From at {author}"), String::new()), true)
}

fn dmarc(found: &Found<'_>, policy: &Policy, by_spf: bool, by_key: bool) -> Said {
    let author = found.author;
    let say = |fails, words: String, remedy: String| Said { fails, about: "dmarc", words, remedy };
    if let Err(reason) = &found.dmarc {
        return say(false, format!("the DMARC record of {author} could not be read: {reason}"), String::new());
    }
    if !policy.record {
        let words = format!("{author} has no DMARC record: anybody can write in its name");
        let remedy =
            format!("add _dmarc.{author} TXT \"v=DMARC1; p=none; rua=mailto:postmaster@{author}\", later p=reject");
        return say(false, words, remedy);
    }
    let asks = &policy.asks;
    match (by_key, by_spf) {
        (true, true) => say(false, format!("From at {author} will align by DKIM and by SPF ({asks})"), String::new()),
        (true, false) => say(false, format!("From at {author} will align by DKIM ({asks})"), String::new()),
        (false, true) => {
            let words = format!("From at {author} will align by SPF alone ({asks}), which forwarding breaks");
            say(false, words, format!("sign: [dkim.NAME] with domain = \"{author}\", unless {} does", found.relay))
        }
        (false, false) => {
            let words = format!("From at {author} will align neither by SPF nor by a signature of ours ({asks})");
            let unknown = found.spf.is_err() || found.keys.iter().any(|(_, records)| records.is_err());
            let fails = !unknown && policy.enforces && !found.keys.is_empty();
            say(fails, words, format!("mend one of them, unless {} signs as {author}", found.relay))
        }
    }
}

fn reply_to(found: &Found<'_>) -> Said {
    let (author, reply) = (found.author, found.reply);
    let said = Said { fails: false, about: "reply_to", words: String::new(), remedy: String::new() };
    if organisation(reply) == organisation(author) {
        return Said {
            words: format!("Reply-To at {reply} and From at {author} will align: one organisation"),
            ..said
        };
    }
    let words =
        format!("Reply-To at {reply} is of another organisation than From at {author}: filters take that for fraud");
    Said { words, remedy: format!("set reply_address at {author} or below it"), ..said }
}

#[cfg(test)]
#[path = "alignment_tests.rs"]
mod tests;
