//! What our own server thinks of an author.
//!
//! Decides   whether a mail passed authentication for its From (R31), or was vouched for by a trusted sealer (R32).
//! Follows   RFC 8601 sections 2.2 (syntax), 2.5 (authserv-id), 2.7.4 (auth), 5 (position); RFC 8617 (ARC).
//! Never     believes a field below the block of the trusted server, or one that names another server.

use super::Address;

/// A trace field, as it stood in the header, top first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TraceField {
    /// `Received`.
    Received(String),
    /// `Authentication-Results`.
    AuthenticationResults(String),
    /// `X-MS-Exchange-Organization-AuthAs`.
    AuthAs(String),
    /// `ARC-Seal`.
    ArcSeal(String),
    /// `ARC-Authentication-Results`.
    ArcResults(String),
}

/// What our server says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The author's domain vouches for this mail.
    Pass,
    /// It says that this mail is not its own.
    Fail,
    /// Nobody whom we believe said anything.
    None,
}

/// A verdict and what it rests on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opinion {
    /// The verdict.
    pub verdict: Verdict,
    /// In words, for the case, for agents and for `check`: the link that held, or the one that is missing.
    pub because: String,
}

impl Opinion {
    /// An opinion.
    #[must_use]
    pub fn new(verdict: Verdict, because: impl Into<String>) -> Self {
        Opinion { verdict, because: because.into() }
    }
}

/// Whom we believe.
#[derive(Debug, Clone, Copy)]
pub struct Trust<'a> {
    /// Servers whose Authentication-Results count (R31); `*.` prefixes allowed.
    pub authserv_ids: &'a [String],
    /// Domains whose ARC seals count (R32).
    pub arc_sealers: &'a [String],
}

/// The word in `security.trusted_authserv_id` for Microsoft 365, which writes no authserv-id.
pub const MICROSOFT365: &str = "microsoft365";

/// The opinion on a mail whose From has this domain. `login`: the author's address, for `auth=pass` with their
/// own login (local submission).
#[must_use]
pub fn opinion(trace: &[TraceField], trust: Trust<'_>, from_domain: &str, login: Option<&str>) -> Opinion {
    if trust.authserv_ids.is_empty() {
        return Opinion::new(Verdict::None, "no authserv-id is trusted");
    }
    if is_internal(trace, trust.authserv_ids) {
        return Opinion::new(Verdict::Pass, "the provider's mark of internal mail");
    }
    let mut results = Results::default();
    let subject = Subject { from_domain, login, microsoft: is_microsoft(trust.authserv_ids) };
    let block = block(trace, trust.authserv_ids);
    for (at, field) in block.iter().enumerate() {
        for result in field.results.split(|t| t == ";") {
            results.judge(result, &subject, &field.server, at == 0);
        }
    }
    if block.is_empty() {
        let ids = trust.authserv_ids.join(", ");
        return Opinion::new(Verdict::None, format!("no Authentication-Results of {ids} on top of it"));
    }
    match (results.dmarc, results.auth) {
        (Some(Found::Pass), _) => Opinion::new(Verdict::Pass, "dmarc=pass"),
        (dmarc, _) if results.arc == Some(Found::Pass) && sealed(trace, trust.arc_sealers, from_domain) => {
            let over = if dmarc == Some(Found::Fail) { " over dmarc=fail" } else { "" };
            Opinion::new(Verdict::Pass, format!("arc=pass with a trusted sealer{over}"))
        }
        (Some(Found::Fail), _) => Opinion::new(Verdict::Fail, "dmarc=fail"),
        (_, Some(Found::Pass)) => Opinion::new(Verdict::Pass, "auth=pass with the author's own login"),
        (Some(Found::Neither), _) => {
            Opinion::new(Verdict::None, format!("its dmarc result is no pass for {from_domain}"))
        }
        _ => Opinion::new(Verdict::None, "Authentication-Results without a dmarc result"),
    }
}

/// One field of the trusted block.
struct Field {
    server: String,
    results: Vec<String>,
}

/// Whose mail is judged.
struct Subject<'a> {
    from_domain: &'a str,
    login: Option<&'a str>,
    microsoft: bool,
}

fn is_microsoft(trusted: &[String]) -> bool {
    trusted.iter().any(|t| t == MICROSOFT365)
}

/// Microsoft 365 marks mail from inside the organisation, and takes such marks off what comes from outside. The first
/// field counts.
fn is_internal(trace: &[TraceField], trusted: &[String]) -> bool {
    let first = trace.iter().find_map(|field| match field {
        TraceField::AuthAs(value) => Some(value.trim()),
        _ => None,
    });
    is_microsoft(trusted) && first.is_some_and(|value| value.eq_ignore_ascii_case("internal"))
}

/// The contiguous fields of trusted servers above the first Received line that is not our provider's.
fn block(trace: &[TraceField], trusted: &[String]) -> Vec<Field> {
    let microsoft = is_microsoft(trusted);
    let mut block = Vec::new();
    for field in trace {
        match field {
            // Microsoft 365 writes its field below Received lines of its own, whose names tell nothing
            TraceField::Received(_) if microsoft && block.is_empty() => {}
            TraceField::Received(value) if !block.is_empty() || !is_ours(value, trusted) => break,
            TraceField::AuthenticationResults(value) => {
                let tokens = tokens(value);
                let Some(field) = believed(&tokens, trusted, microsoft) else {
                    // a relay inside our provider may have written its own above; Microsoft's is the topmost or none
                    if block.is_empty() && !microsoft {
                        continue;
                    }
                    break;
                };
                // "none": this server has authenticated nothing, so what stands below is not its word
                let nothing = field.results.iter().any(|t| t.eq_ignore_ascii_case("none"));
                block.push(field);
                if microsoft || nothing {
                    break;
                }
            }
            _ => {}
        }
    }
    block
}

/// What the first result of a method said; a later one never counts, whatever it says (R31).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    Pass,
    Fail,
    Neither,
}

#[derive(Debug, Default)]
struct Results {
    dmarc: Option<Found>,
    auth: Option<Found>,
    arc: Option<Found>,
}

impl Results {
    /// One `method=result property=value …`; the first result of a method counts. `auth` counts in the topmost field
    /// alone: a server writes it only for its own users, so mail from outside has none of which a forged one below
    /// would be the second.
    fn judge(&mut self, result: &[String], subject: &Subject<'_>, server: &str, topmost: bool) {
        let Some((method, value)) = result.first().and_then(|t| t.split_once('=')) else {
            return;
        };
        let method = method.split('/').next().unwrap_or_default().to_ascii_lowercase();
        let value = value.to_ascii_lowercase();
        match method.as_str() {
            "dmarc" if self.dmarc.is_none() => {
                let passes = value == "pass" || (subject.microsoft && value == "bestguesspass");
                self.dmarc = Some(match value.as_str() {
                    _ if passes && names(result, subject.from_domain) => Found::Pass,
                    "fail" => Found::Fail,
                    _ => Found::Neither,
                });
            }
            "auth" if topmost && self.auth.is_none() => {
                let named = property(result, "smtp.auth").or_else(|| property(result, "smtp.mailfrom"));
                let own = subject.login.zip(named).is_some_and(|(login, named)| is_login(login, &named, server));
                self.auth = Some(if value == "pass" && own { Found::Pass } else { Found::Neither });
            }
            "arc" if self.arc.is_none() => {
                self.arc = Some(if value == "pass" { Found::Pass } else { Found::Neither });
            }
            _ => {}
        }
    }
}

/// Is header.from this domain?
fn names(result: &[String], from_domain: &str) -> bool {
    let Some(named) = property(result, "header.from") else {
        return false;
    };
    let domain = named.rsplit('@').next().unwrap_or_default();
    Address::parse(&format!("x@{domain}")).is_some_and(|a| a.domain() == from_domain)
}

fn property(result: &[String], name: &str) -> Option<String> {
    result
        .iter()
        .skip(1)
        .filter_map(|t| t.split_once('='))
        .find(|(key, _)| key.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.to_ascii_lowercase())
}

/// A bare login is one at the server's own organisation.
fn is_login(address: &str, login: &str, server: &str) -> bool {
    if login.contains('@') {
        return login.eq_ignore_ascii_case(address);
    }
    let Some((local, domain)) = address.rsplit_once('@') else {
        return false;
    };
    local.eq_ignore_ascii_case(login) && organisation(domain) == organisation(server)
}

fn organisation(host: &str) -> String {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    Address::parse(&format!("x@{host}")).map_or(host, |a| a.organisational_domain().to_owned())
}

/// Do trusted sealers vouch that the mail passed when it came to them (RFC 8617 section 5.2)? Our server has verified
/// the seals; from the newest down, each must be trusted until one says so.
fn sealed(trace: &[TraceField], sealers: &[String], from_domain: &str) -> bool {
    let seals = trace.iter().filter_map(|field| match field {
        TraceField::ArcSeal(value) => {
            let tokens = tokens(value);
            Some((tag(&tokens, "i")?.parse::<u32>().ok()?, tag(&tokens, "d")?))
        }
        _ => None,
    });
    let mut seals: Vec<(u32, String)> = seals.collect();
    seals.sort();
    for (instance, domain) in seals.iter().rev() {
        if !sealers.iter().any(|t| matches(domain, t)) {
            return false;
        }
        let says = trace.iter().any(|field| match field {
            TraceField::ArcResults(value) => {
                let tokens = tokens(value);
                let own = tag(&tokens, "i").and_then(|i| i.parse().ok()) == Some(*instance);
                let first = tokens.split(|t| t == ";").find(|r| r.first().is_some_and(|t| t.starts_with("dmarc=")));
                own && first.is_some_and(|r| r.first().is_some_and(|t| t == "dmarc=pass") && names(r, from_domain))
            }
            _ => false,
        });
        if says {
            return true;
        }
    }
    false
}

/// `name=value` among words.
fn tag(tokens: &[String], name: &str) -> Option<String> {
    tokens
        .iter()
        .filter_map(|t| t.split_once('='))
        .find(|(key, _)| key.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.to_ascii_lowercase())
}

/// The results of a field that a trusted server wrote.
fn believed(tokens: &[String], trusted: &[String], microsoft: bool) -> Option<Field> {
    let end = tokens.iter().position(|t| t == ";")?;
    let (head, results) = tokens.split_at_checked(end)?;
    let id = head.first()?;
    if id.contains('=') {
        return microsoft.then(|| Field { server: String::new(), results: tokens.to_vec() });
    }
    trusted.iter().any(|t| matches(id, t)).then(|| Field { server: id.clone(), results: results.to_vec() })
}

fn matches(id: &str, trusted: &str) -> bool {
    let id = id.to_ascii_lowercase();
    let trusted = trusted.to_ascii_lowercase();
    match trusted.strip_prefix("*.") {
        Some(suffix) => id.strip_suffix(suffix).is_some_and(|head| head.ends_with('.')),
        None => id == trusted,
    }
}

/// A Received line that our provider wrote: its `by` host belongs to the organisation of a trusted server, or it hands
/// the mail on within one (no `from` host, or a trusted server delivers it by LMTP, RFC 2033, to a host of any name).
fn is_ours(received: &str, trusted: &[String]) -> bool {
    let tokens = tokens(received);
    let after = |word: &str| {
        tokens.iter().zip(tokens.iter().skip(1)).find(|(w, _)| w.eq_ignore_ascii_case(word)).map(|(_, host)| host)
    };
    if after("from").is_none() {
        return true;
    }
    let is_trusted = |host: &String| {
        let host_of = organisation(host);
        trusted.iter().any(|t| organisation(t.strip_prefix("*.").unwrap_or(t)) == host_of)
    };
    let by_lmtp = after("with").is_some_and(|with| with.to_ascii_uppercase().starts_with("LMTP"));
    after("by").is_some_and(is_trusted) || (by_lmtp && after("from").is_some_and(is_trusted))
}

/// Words and semicolons; comments are dropped, quoted strings are one word, `a = b` is `a=b`.
fn tokens(value: &str) -> Vec<String> {
    let mut tokens: Vec<String> = Vec::new();
    let mut word = String::new();
    let mut depth = 0usize;
    let mut quoted = false;
    let mut escaped = false;
    for c in value.chars() {
        if escaped {
            escaped = false;
            if depth == 0 {
                word.push(c);
            }
            continue;
        }
        match c {
            '\\' if quoted || depth > 0 => escaped = true,
            '"' if depth == 0 => quoted = !quoted,
            _ if quoted => word.push(c),
            '(' => depth = depth.saturating_add(1),
            ')' => depth = depth.saturating_sub(1),
            _ if depth > 0 => {}
            ';' => {
                push(&mut tokens, &mut word);
                tokens.push(";".to_owned());
            }
            c if c.is_whitespace() => push(&mut tokens, &mut word),
            c => word.push(c),
        }
    }
    push(&mut tokens, &mut word);
    tokens
}

fn push(tokens: &mut Vec<String>, word: &mut String) {
    if word.is_empty() {
        return;
    }
    let joins = tokens.last().is_some_and(|last| last.ends_with('=') || (word.starts_with('=') && last != ";"));
    match tokens.last_mut() {
        Some(last) if joins => last.push_str(word),
        _ => tokens.push(word.clone()),
    }
    word.clear();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opinion_of(trace: &[&str], trusted: &[&str], sealers: &[&str]) -> Opinion {
        let trace: Vec<TraceField> = trace
            .iter()
            .map(|line| match line.split_once(": ") {
                Some(("R", value)) => TraceField::Received(value.to_owned()),
                Some(("M", value)) => TraceField::AuthAs(value.to_owned()),
                Some(("S", value)) => TraceField::ArcSeal(value.to_owned()),
                Some(("AAR", value)) => TraceField::ArcResults(value.to_owned()),
                Some((_, value)) => TraceField::AuthenticationResults(value.to_owned()),
                None => TraceField::Received(String::new()),
            })
            .collect();
        let owned = |list: &[&str]| list.iter().map(|t| (*t).to_owned()).collect::<Vec<_>>();
        let (ids, sealers) = (owned(trusted), owned(sealers));
        let trust = Trust { authserv_ids: &ids, arc_sealers: &sealers };
        opinion(&trace, trust, "mail.example", Some("jane@mail.example"))
    }

    fn check(trace: &[&str], trusted: &[&str]) -> Verdict {
        opinion_of(trace, trusted, &[]).verdict
    }

    const PASS: &str = "A: mx.shop.example; spf=pass; dmarc=pass (p=none) header.from=mail.example";
    const OURS: [&str; 1] = ["mx.shop.example"];

    #[test]
    fn r31_only_the_trusted_server_is_believed() {
        assert_eq!(check(&[PASS], &OURS), Verdict::Pass);
        assert_eq!(check(&[PASS], &[]), Verdict::None);
        assert_eq!(check(&[PASS], &["mx.other.example"]), Verdict::None);
        assert_eq!(check(&[PASS], &["*.shop.example"]), Verdict::Pass);
        assert_eq!(check(&[PASS], &["mx.other.example", "MX.shop.example"]), Verdict::Pass);
        assert_eq!(
            check(&["A: evilshop.example; dmarc=pass header.from=mail.example"], &["*.shop.example"]),
            Verdict::None
        );
    }

    #[test]
    fn r31_a_forged_copy_below_is_ignored() {
        let forged = [
            "R: from evil by mx.shop.example; Mon",
            "A: mx.shop.example; dmarc=fail header.from=mail.example",
            "R: from evil by evil.example; Mon",
            PASS,
        ];
        assert_eq!(check(&forged, &OURS), Verdict::Fail);
        assert_eq!(check(&["R: from a by evil.example; Mon", PASS], &OURS), Verdict::None);
        for genuine in ["dmarc=none", "dmarc=fail header.from=mail.example", "dmarc=temperror", "none"] {
            let field = format!("A: mx.shop.example; {genuine}");
            for below in [PASS, "A: mx.shop.example; auth=pass smtp.auth=jane@mail.example"] {
                let trace = ["R: from x by mx.shop.example", field.as_str(), below, "R: from e by evil.example"];
                assert_ne!(check(&trace, &OURS), Verdict::Pass, "{genuine} above {below}");
            }
        }
        let hop = ["A: mx.shop.example; dkim=none", "R: from x by mx.shop.example", PASS];
        assert_eq!(check(&hop, &OURS), Verdict::None, "a Received line ends the block");
        let foreign = ["A: mx.shop.example; dkim=none", "A: mx.other.example; dmarc=none", PASS];
        assert_eq!(check(&foreign, &OURS), Verdict::None, "another server's field ends the block");
    }

    #[test]
    fn r31_results_of_several_milters_of_one_server_are_one_block() {
        let trace = ["R: from x by mx.shop.example", "A: mx.shop.example; dkim=pass", PASS];
        assert_eq!(check(&trace, &OURS), Verdict::Pass);
        for hand_over in [
            "R: by imap.shop.example with LMTP id 1",
            "R: from mx.shop.example ([192.0.2.1]) by imap.shop.example (Dovecot) with LMTP",
            "R: by 2002:a05:6402:42:b0:5c1:9c3f:1b2a with SMTP id b2csp1",
        ] {
            assert_eq!(check(&[hand_over, PASS], &OURS), Verdict::Pass, "{hand_over}");
        }
    }

    #[test]
    fn r31_comments_quotes_folding_and_other_domains() {
        let odd = "A: (hi; dmarc=pass) MX.shop.example (x) 1 ;\r\n\tdmarc = pass (\\) y (z)) reason=\"a; b\"\r\n header.from=\"mail.example\"";
        assert_eq!(check(&[odd], &OURS), Verdict::Pass);
        assert_eq!(check(&["A: \"mx.shop.example\"; dmarc/1=pass header.from=MAIL.example."], &OURS), Verdict::Pass);
        for other in [
            "A: mx.shop.example; dmarc=pass header.from=evil.example",
            "A: mx.shop.example; dmarc=pass header.from=sub.mail.example",
            "A: mx.shop.example; dmarc=pass",
            "A: mx.shop.example; dkim=pass header.d=mail.example",
            "A: evil.example (mx.shop.example); dmarc=pass header.from=mail.example",
            "A: evil.example mx.shop.example; dmarc=pass header.from=mail.example",
            "A: mx.shop.example; x=\"; dmarc=pass header.from=mail.example",
            "A: mx.shop.example; (dmarc=pass header.from=mail.example",
        ] {
            assert_eq!(check(&[other], &OURS), Verdict::None, "{other}");
        }
    }

    #[test]
    fn r31_local_submission_with_ones_own_login() {
        for (field, expected) in [
            ("A: mx.shop.example; auth=pass smtp.auth=jane@mail.example", Verdict::Pass),
            ("A: mx.shop.example; auth=pass smtp.mailfrom=jane@mail.example", Verdict::Pass),
            ("A: mx.shop.example; auth=pass smtp.auth=eve@mail.example", Verdict::None),
            ("A: mx.shop.example; auth=pass smtp.auth=eve smtp.mailfrom=jane@mail.example", Verdict::None),
            ("A: mx.shop.example; auth=fail smtp.auth=jane@mail.example", Verdict::None),
            ("A: mx.shop.example; auth=pass smtp.auth=jane", Verdict::None),
        ] {
            assert_eq!(check(&[field], &OURS), expected, "{field}");
        }
        let bare = "A: mx.mail.example; auth=pass smtp.auth=jane";
        assert_eq!(check(&[bare], &["mx.mail.example"]), Verdict::Pass, "a bare login is one at the server's domain");
        let below = ["A: mx.shop.example; dmarc=none", "A: mx.shop.example; auth=pass smtp.auth=jane@mail.example"];
        assert_eq!(check(&below, &OURS), Verdict::None, "a login stands in the topmost field or nowhere");
    }

    #[test]
    fn r31_microsoft_365_writes_no_authserv_id() {
        let field =
            "A: spf=pass smtp.mailfrom=mail.example; dmarc=pass action=none header.from=mail.example;compauth=pass";
        let cloud = ["microsoft365"];
        assert_eq!(check(&[field], &cloud), Verdict::Pass);
        assert_eq!(check(&["R: from x by AM0PR.outlook.example", field], &cloud), Verdict::Pass);
        assert_eq!(check(&[field], &OURS), Verdict::None);
        assert_eq!(check(&["M: Internal"], &cloud), Verdict::Pass);
        assert_eq!(check(&["M: Anonymous", "M: Internal"], &cloud), Verdict::None);
        assert_eq!(check(&["M: Internal"], &OURS), Verdict::None);
        let guess = "A: spf=pass; dmarc=bestguesspass action=none header.from=mail.example";
        assert_eq!(check(&[guess], &cloud), Verdict::Pass);
        assert_eq!(check(&["A: relay.example; dmarc=none", field], &cloud), Verdict::None, "only the topmost");
        assert_eq!(check(&["A: spf=fail; dmarc=fail header.from=mail.example", field], &cloud), Verdict::Fail);
    }

    #[test]
    fn r31_rspamd_writes_policies_and_several_domains() {
        let field = "A: mx.shop.example;\r\n\tdkim=pass header.d=list.example header.s=x header.b=abc;\r\n\t\
                     dkim=pass header.d=mail.example;\r\n\tdmarc=pass (policy=quarantine) header.from=mail.example;\r\n\t\
                     spf=pass (mx.shop.example: domain of jane@mail.example designates 192.0.2.1) smtp.mailfrom=jane@mail.example";
        assert_eq!(check(&[field], &OURS), Verdict::Pass);
        let fails = "A: mx.shop.example; dmarc=fail reason=\"SPF not aligned (relaxed)\" header.from=mail.example (policy=none)";
        assert_eq!(check(&[fails], &OURS), Verdict::Fail);
    }

    #[test]
    fn r32_a_trusted_sealer_lifts_what_forwarding_broke() {
        let failed = "A: mx.shop.example; dmarc=fail header.from=mail.example; arc=pass";
        let seal = |i: u32, d: &str| format!("S: i={i}; a=rsa-sha256; cv=none; d={d}; s=arc; b=abc==");
        let said = |i: u32, dmarc: &str| format!("AAR: i={i}; mx.uni.example; dmarc={dmarc} header.from=mail.example");
        let verdict = |trace: &[String], sealers: &[&str]| {
            let trace: Vec<&str> = trace.iter().map(String::as_str).collect();
            opinion_of(&trace, &OURS, sealers).verdict
        };
        let whole = [failed.to_owned(), seal(1, "uni.example"), said(1, "pass")];
        assert_eq!(verdict(&whole, &["uni.example"]), Verdict::Pass);
        assert_eq!(verdict(&whole, &[]), Verdict::Fail);
        assert_eq!(verdict(&whole, &["other.example"]), Verdict::Fail);
        let unverified = [failed.replace("arc=pass", "arc=fail"), seal(1, "uni.example"), said(1, "pass")];
        assert_eq!(verdict(&unverified, &["uni.example"]), Verdict::Fail);
        let broken_before = [failed.to_owned(), seal(1, "uni.example"), said(1, "fail")];
        assert_eq!(verdict(&broken_before, &["uni.example"]), Verdict::Fail);
        let stranger_on_top =
            [failed.to_owned(), seal(2, "evil.example"), said(2, "pass"), seal(1, "uni.example"), said(1, "pass")];
        assert_eq!(verdict(&stranger_on_top, &["uni.example"]), Verdict::Fail);
        let both =
            [failed.to_owned(), seal(2, "list.example"), said(2, "fail"), seal(1, "uni.example"), said(1, "pass")];
        assert_eq!(verdict(&both, &["uni.example", "list.example"]), Verdict::Pass);
    }

    #[test]
    fn the_missing_link_is_named() {
        for (trace, says) in [
            (&[][..], "no Authentication-Results of mx.shop.example"),
            (&["A: mx.shop.example; dkim=pass"][..], "without a dmarc result"),
            (&["A: mx.shop.example; dmarc=none"][..], "no pass for mail.example"),
            (&["A: mx.shop.example; dmarc=fail"][..], "dmarc=fail"),
        ] {
            let because = opinion_of(trace, &OURS, &[]).because;
            assert!(because.contains(says), "{because}");
        }
    }
}
