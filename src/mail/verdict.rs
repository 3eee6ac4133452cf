//! What our own server thinks of an author.
//!
//! Decides   whether a mail passed authentication for its From (R31).
//! Follows   RFC 8601 sections 2.2 (syntax), 2.5 (authserv-id), 5 (position).
//! Never     believes a field below the block of the trusted server, or one that names another server.

/// A trace field, as it stood in the header, top first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TraceField {
    /// `Received`.
    Received(String),
    /// `Authentication-Results`.
    AuthenticationResults(String),
    /// `X-MS-Exchange-Organization-AuthAs`.
    AuthAs(String),
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

/// The word in `security.trusted_authserv_id` for Microsoft 365, which writes no authserv-id.
pub const MICROSOFT365: &str = "microsoft365";

/// The verdict for a mail whose From has this domain. `login`: the author's address, for `auth=pass` with their
/// own login (local submission).
#[must_use]
pub fn verdict(trace: &[TraceField], trusted: &[String], from_domain: &str, login: Option<&str>) -> Verdict {
    if trusted.is_empty() {
        return Verdict::None;
    }
    let microsoft = trusted.iter().any(|t| t == MICROSOFT365);
    let mut dmarc = None;
    let mut auth = None;
    let mut begun = false;
    for field in trace {
        match field {
            TraceField::Received(value) if begun || !is_ours(value, trusted) => {
                if !microsoft {
                    break;
                }
            }
            TraceField::Received(_) => {}
            TraceField::AuthAs(value) => {
                if microsoft && value.trim().eq_ignore_ascii_case("internal") {
                    return Verdict::Pass;
                }
            }
            TraceField::AuthenticationResults(value) => {
                let tokens = tokens(value);
                let Some(results) = believed(&tokens, trusted, microsoft) else {
                    if begun {
                        break;
                    }
                    continue;
                };
                begun = true;
                for result in results.split(|t| t == ";") {
                    judge(result, from_domain, login, &mut dmarc, &mut auth);
                }
                if microsoft {
                    break;
                }
            }
        }
    }
    match (dmarc, auth) {
        (Some(Found::Fail), _) => Verdict::Fail,
        (Some(Found::Pass), _) | (_, Some(Found::Pass)) => Verdict::Pass,
        _ => Verdict::None,
    }
}

/// What the first result of a method said; a later one never counts, whatever it says (R31).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    Pass,
    Fail,
    Neither,
}

/// One `method=result property=value …`; the first result of a method counts.
fn judge(
    result: &[String],
    from_domain: &str,
    login: Option<&str>,
    dmarc: &mut Option<Found>,
    auth: &mut Option<Found>,
) {
    let Some((method, value)) = result.first().and_then(|t| t.split_once('=')) else {
        return;
    };
    let method = method.split('/').next().unwrap_or_default().to_ascii_lowercase();
    let value = value.to_ascii_lowercase();
    let property = |name: &str| {
        result
            .iter()
            .skip(1)
            .filter_map(|t| t.split_once('='))
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.to_ascii_lowercase())
    };
    match method.as_str() {
        "dmarc" if dmarc.is_none() => {
            let about_from = property("header.from")
                .is_none_or(|d| d.rsplit('@').next().unwrap_or_default().trim_end_matches('.') == from_domain);
            *dmarc = match value.as_str() {
                "pass" if about_from && property("header.from").is_some() => Some(Found::Pass),
                "fail" => Some(Found::Fail),
                _ => Some(Found::Neither),
            };
        }
        "auth" if auth.is_none() => {
            let named = property("smtp.auth").or_else(|| property("smtp.mailfrom"));
            let own = login.zip(named).is_some_and(|(login, named)| login.eq_ignore_ascii_case(&named));
            *auth = Some(if value == "pass" && own { Found::Pass } else { Found::Neither });
        }
        _ => {}
    }
}

/// The results of a field that a trusted server wrote.
fn believed<'a>(tokens: &'a [String], trusted: &[String], microsoft: bool) -> Option<&'a [String]> {
    let end = tokens.iter().position(|t| t == ";")?;
    let (head, results) = tokens.split_at_checked(end)?;
    let id = head.first()?;
    if id.contains('=') {
        return microsoft.then_some(tokens);
    }
    trusted.iter().any(|t| matches(id, t)).then_some(results)
}

fn matches(id: &str, trusted: &str) -> bool {
    let id = id.to_ascii_lowercase();
    let trusted = trusted.to_ascii_lowercase();
    match trusted.strip_prefix("*.") {
        Some(suffix) => id.strip_suffix(suffix).is_some_and(|head| head.ends_with('.')),
        None => id == trusted,
    }
}

/// A Received line that our provider wrote: its `by` host is a trusted one, or lies in its domain.
fn is_ours(received: &str, trusted: &[String]) -> bool {
    let tokens = tokens(received);
    let by = tokens
        .iter()
        .zip(tokens.iter().skip(1))
        .find(|(word, _)| word.eq_ignore_ascii_case("by"))
        .map(|(_, host)| host.to_ascii_lowercase());
    by.is_some_and(|host| {
        trusted.iter().any(|t| {
            let t = t.to_ascii_lowercase();
            let domain = t.strip_prefix("*.").unwrap_or(&t);
            host == domain || host.strip_suffix(domain).is_some_and(|head| head.ends_with('.'))
        })
    })
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

    fn check(trace: &[&str], trusted: &[&str]) -> Verdict {
        let trace: Vec<TraceField> = trace
            .iter()
            .map(|line| match line.split_once(": ") {
                Some(("R", value)) => TraceField::Received(value.to_owned()),
                Some(("M", value)) => TraceField::AuthAs(value.to_owned()),
                Some((_, value)) => TraceField::AuthenticationResults(value.to_owned()),
                None => TraceField::Received(String::new()),
            })
            .collect();
        let trusted: Vec<String> = trusted.iter().map(|t| (*t).to_owned()).collect();
        verdict(&trace, &trusted, "mail.example", Some("jane@mail.example"))
    }

    const PASS: &str = "A: mx.shop.example; spf=pass; dmarc=pass (p=none) header.from=mail.example";

    #[test]
    fn r31_only_the_trusted_server_is_believed() {
        assert_eq!(check(&[PASS], &["mx.shop.example"]), Verdict::Pass);
        assert_eq!(check(&[PASS], &[]), Verdict::None);
        assert_eq!(check(&[PASS], &["mx.other.example"]), Verdict::None);
        assert_eq!(check(&[PASS], &["*.shop.example"]), Verdict::Pass);
    }

    #[test]
    fn r31_a_forged_copy_below_is_ignored() {
        let forged = [
            "R: from evil by mx.shop.example; Mon",
            "A: mx.shop.example; dmarc=fail header.from=mail.example",
            "R: from evil by evil.example; Mon",
            PASS,
        ];
        assert_eq!(check(&forged, &["mx.shop.example"]), Verdict::Fail);
        assert_eq!(check(&["R: from a by evil.example; Mon", PASS], &["mx.shop.example"]), Verdict::None);
    }

    #[test]
    fn r31_comments_quotes_and_other_domains() {
        let odd = "A: (hi; dmarc=pass) MX.shop.example (x) 1 ; dmarc = pass (\\) y) header.from=\"mail.example\"";
        assert_eq!(check(&[odd], &["mx.shop.example"]), Verdict::Pass);
        let other = "A: mx.shop.example; dmarc=pass header.from=evil.example";
        assert_eq!(check(&[other], &["mx.shop.example"]), Verdict::None);
        let hidden = "A: evil.example (mx.shop.example); dmarc=pass header.from=mail.example";
        assert_eq!(check(&[hidden], &["mx.shop.example"]), Verdict::None);
    }

    #[test]
    fn r31_local_submission_with_ones_own_login() {
        let own = "A: mx.shop.example; auth=pass smtp.auth=jane@mail.example";
        assert_eq!(check(&[own], &["mx.shop.example"]), Verdict::Pass);
        let others = "A: mx.shop.example; auth=pass smtp.auth=eve@mail.example";
        assert_eq!(check(&[others], &["mx.shop.example"]), Verdict::None);
    }

    #[test]
    fn r31_microsoft_365_writes_no_authserv_id() {
        let field =
            "A: spf=pass smtp.mailfrom=mail.example; dmarc=pass action=none header.from=mail.example;compauth=pass";
        assert_eq!(check(&[field], &["microsoft365"]), Verdict::Pass);
        assert_eq!(check(&[field], &["mx.shop.example"]), Verdict::None);
        assert_eq!(check(&["M: Internal"], &["microsoft365"]), Verdict::Pass);
        assert_eq!(check(&["M: Internal"], &["mx.shop.example"]), Verdict::None);
    }
}
