//! Links that a provider wrapped on the way.
//!
//! Decides   which target a wrapped link had, and which wrappers do not tell (R44).
//! Follows   what Safe Links, URL Defense, Google, Barracuda, Cisco, Sophos, Trend Micro, FireEye, Symantec and
//!           Avanan write; RFC 3986 section 2.1 for percent-encoding.
//! Never     follows a link, and never takes a target that is not `http` or `https`.

pub mod restore;

use std::borrow::Cow;

use data_encoding::{BASE64URL_NOPAD, Encoding};

/// Octets of one link that are looked at.
const LINK_BYTES_MAX: usize = 8_192;
/// Wrappers in wrappers: two providers on one way.
const LAYERS_MAX: usize = 4;

/// How a wrapper keeps its target.
#[derive(Debug, Clone, Copy)]
enum Way {
    /// Percent-encoded in this parameter.
    Parameter(&'static str),
    /// Like it, with `-` for `%` and `_` for `/` (URL Defense, version 2).
    Dashed(&'static str),
    /// Base64 in this parameter.
    Base64(&'static str),
    /// Between `__` and `__;`, with `*` for characters that follow in base64 (URL Defense, version 3).
    Starred,
    /// Between three underscores (Avanan).
    Underscored,
    /// Percent-encoded after the last slash.
    LastPiece,
    /// Only the provider knows it.
    Opaque,
}

/// Hosts (or the ends of hosts), what their path begins with, and their way.
const WRAPPERS: [(&str, &str, Way); 19] = [
    ("safelinks.protection.outlook.com", "/", Way::Parameter("url")),
    ("safelinks.o365.us", "/", Way::Parameter("url")),
    ("urldefense.proofpoint.com", "/v1/", Way::Parameter("u")),
    ("urldefense.proofpoint.com", "/v2/", Way::Dashed("u")),
    ("urldefense.proofpoint.com", "/v3/", Way::Starred),
    ("urldefense.com", "/v3/", Way::Starred),
    ("urldefense.us", "/v3/", Way::Starred),
    ("linkprotect.cudasvc.com", "/url", Way::Parameter("a")),
    ("google.com", "/url", Way::Parameter("q")),
    ("fireeye.com", "/v1/url", Way::Parameter("u")),
    ("clicktime.symantec.com", "/", Way::Parameter("u")),
    ("trendmicro.com", "/wis/clicktime/v1/query", Way::Parameter("url")),
    ("protection.sophos.com", "/", Way::Base64("u")),
    ("avanan.click", "/v2/", Way::Underscored),
    ("checkpoint.com", "/v2/", Way::Underscored),
    ("secure-web.cisco.com", "/", Way::LastPiece),
    ("mimecast.com", "/s/", Way::Opaque),
    ("mimecastprotect.com", "/s/", Way::Opaque),
    ("mailguard.com.au", "/", Way::Opaque),
];

/// The text with every wrapped link that tells its target replaced by it.
#[must_use]
pub fn unwrapped(text: &str) -> Cow<'_, str> {
    let mut out: Option<String> = None;
    let mut done = 0usize;
    for (at, link) in links(text) {
        if let Some(target) = target(link) {
            let whole = out.get_or_insert_with(|| String::with_capacity(text.len()));
            whole.push_str(text.get(done..at).unwrap_or_default());
            whole.push_str(&target);
            done = at.saturating_add(link.len());
        }
    }
    match out {
        Some(mut whole) => {
            whole.push_str(text.get(done..).unwrap_or_default());
            Cow::Owned(whole)
        }
        None => Cow::Borrowed(text),
    }
}

/// Is there a wrapped link whose target only the provider knows?
#[must_use]
pub fn has_opaque(text: &str) -> bool {
    links(text).any(|(_, link)| is_opaque(link))
}

fn is_opaque(link: &str) -> bool {
    matches!(way(link), Some((Way::Opaque, _)))
}

/// The links of a text and where they begin.
fn links(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut free_from = 0usize;
    text.match_indices("http").filter_map(move |(at, _)| {
        let rest = text.get(at..).filter(|_| at >= free_from)?;
        let scheme = ["https://", "http://"].iter().any(|s| rest.starts_with(s));
        let head = if scheme { bounded(rest, LINK_BYTES_MAX) } else { "" };
        let ends = |c: char| c.is_whitespace() || matches!(c, '<' | '>' | '"' | '\\' | '^' | '`');
        let link = head.split(ends).next().filter(|link| !link.is_empty());
        free_from = at.saturating_add(link.map_or(0, str::len));
        link.map(|link| (at, link))
    })
}

/// At most so many octets, cut between characters.
fn bounded(text: &str, bytes_max: usize) -> &str {
    let mut end = text.len().min(bytes_max);
    while !text.is_char_boundary(end) {
        end = end.saturating_sub(1);
    }
    text.get(..end).unwrap_or_default()
}

/// The way of this link's wrapper, and what follows its host.
fn way(link: &str) -> Option<(Way, &str)> {
    let rest = link.split_once("://")?.1;
    let path_at = rest.find(['/', '?'])?;
    let (host, path) = rest.split_at_checked(path_at)?;
    let host = host.to_ascii_lowercase();
    let at = |name: &str| host == name || host.strip_suffix(name).is_some_and(|sub| sub.ends_with('.'));
    WRAPPERS
        .iter()
        .find(|(name, prefix, _)| at(name) && (path.starts_with(prefix) || (*prefix == "/" && path.starts_with('?'))))
        .map(|(_, _, way)| (*way, path))
}

/// Where a wrapped link leads, all layers undone.
fn target(link: &str) -> Option<String> {
    let mut found: Option<String> = None;
    for _ in 0..LAYERS_MAX {
        let next = one_layer(found.as_deref().unwrap_or(link));
        match next {
            Some(target) => found = Some(target),
            None => break,
        }
    }
    found
}

fn one_layer(link: &str) -> Option<String> {
    let (way, path) = way(link)?;
    let target = match way {
        Way::Parameter(name) => percent_decoded(parameter(path, name)?)?,
        Way::Dashed(name) => percent_decoded(&parameter(path, name)?.replace('-', "%").replace('_', "/"))?,
        Way::Base64(name) => base64(&percent_decoded(parameter(path, name)?)?)?,
        Way::Starred => starred(path)?,
        Way::Underscored => path.split("___").nth(1)?.to_owned(),
        Way::LastPiece => percent_decoded(path.rsplit('/').next()?)?,
        Way::Opaque => return None,
    };
    let web = ["http://", "https://"].iter().any(|s| target.get(..s.len()).is_some_and(|t| t.eq_ignore_ascii_case(s)));
    let clean = !target.chars().any(|c| c.is_whitespace() || c.is_control() || matches!(c, '<' | '>' | '"'));
    (web && clean).then_some(target)
}

/// The raw value of a parameter of the query.
fn parameter<'a>(path: &'a str, name: &str) -> Option<&'a str> {
    let (_, query) = path.split_once('?')?;
    query.split('&').find_map(|pair| {
        let pair = pair.strip_prefix("amp;").unwrap_or(pair);
        pair.split_once('=').filter(|(key, _)| *key == name).map(|(_, value)| value)
    })
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut octets = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            octets.push(byte);
            continue;
        }
        let high = char::from(bytes.next()?).to_digit(16)?;
        let low = char::from(bytes.next()?).to_digit(16)?;
        octets.push(u8::try_from(high.saturating_mul(16).saturating_add(low)).ok()?);
    }
    String::from_utf8(octets).ok()
}

fn base64(text: &str) -> Option<String> {
    const STANDARD: Encoding = data_encoding::BASE64_NOPAD;
    let bare = text.trim_end_matches('=');
    let octets = BASE64URL_NOPAD.decode(bare.as_bytes()).or_else(|_| STANDARD.decode(bare.as_bytes())).ok()?;
    String::from_utf8(octets).ok()
}

/// `/v3/__https://shop.example/*x__;Iw!!…`: each `*` is the next character of the base64, `**` and a letter a run.
fn starred(path: &str) -> Option<String> {
    const RUNS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let (_, rest) = path.split_once("/__")?;
    let (pattern, rest) = rest.rsplit_once("__;")?;
    let hidden = base64(rest.split('!').next()?)?;
    let mut hidden = hidden.chars();
    let mut out = String::with_capacity(pattern.len());
    let mut chars = pattern.chars().peekable();
    while let Some(c) = chars.next() {
        if c != '*' {
            out.push(c);
        } else if chars.next_if_eq(&'*').is_some() {
            let run = chars.next().and_then(|c| RUNS.find(c))?.saturating_add(2);
            out.extend(hidden.by_ref().take(run));
        } else {
            out.push(hidden.next()?);
        }
    }
    // the first slash of the scheme is lost where a client folds slashes
    match out.split_once(":/") {
        Some((scheme, rest)) if !rest.starts_with('/') => Some(format!("{scheme}://{rest}")),
        _ => Some(out),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TARGET: &str = "https://shop.example/order?id=4711&x=1";

    #[test]
    fn r44_wrapped_links_are_undone() {
        for wrapped in [
            "https://eur01.safelinks.protection.outlook.com/?url=https%3A%2F%2Fshop.example%2Forder%3Fid%3D4711%26x%3D1&data=05%7C02&sdata=abc%3D&reserved=0",
            "https://eur01.safelinks.protection.outlook.com/ap/t-59584e83/?url=https%3A%2F%2Fshop.example%2Forder%3Fid%3D4711%26x%3D1&amp;data=05",
            "https://urldefense.proofpoint.com/v2/url?u=https-3A__shop.example_order-3Fid-3D4711-26x-3D1&d=DwMF&c=x",
            "https://urldefense.com/v3/__https://shop.example/order?id=4711&x=1__;!!Abc!def$",
            "https://urldefense.com/v3/__https:/shop.example/order?id=4711*x=1__;Jg!!Abc!def$",
            "https://linkprotect.cudasvc.com/url?a=https%3a%2f%2fshop.example%2forder%3fid%3d4711%26x%3d1&c=E,1,abc",
            "https://www.google.com/url?q=https%3A%2F%2Fshop.example%2Forder%3Fid%3D4711%26x%3D1&source=gmail",
            "https://secure-web.cisco.com/1AbC-dEf/https%3A%2F%2Fshop.example%2Forder%3Fid%3D4711%26x%3D1",
            "https://eu-west-1.protection.sophos.com?d=shop.example&u=aHR0cHM6Ly9zaG9wLmV4YW1wbGUvb3JkZXI_aWQ9NDcxMSZ4PTE=&i=1",
            "https://eu-west-1.protection.sophos.com/?d=shop.example&u=aHR0cHM6Ly9zaG9wLmV4YW1wbGUvb3JkZXI_aWQ9NDcxMSZ4PTE=&i=1",
            "https://url.avanan.click/v2/___https://shop.example/order?id=4711&x=1___.YXAzOm8",
        ] {
            let text = format!("See <{wrapped}> and write.");
            assert_eq!(unwrapped(&text), format!("See <{TARGET}> and write."), "{wrapped}");
        }
    }

    #[test]
    fn runs_and_layers_are_undone() {
        let starred = "https://urldefense.com/v3/__https://shop.example/**By__;w6TDtsO8!!x$";
        assert_eq!(unwrapped(starred), "https://shop.example/äöüy");
        let layers = "https://x.safelinks.protection.outlook.com/?url=https%3A%2F%2Fwww.google.com%2Furl%3Fq%3Dhttps%253A%252F%252Fshop.example&data=1";
        assert_eq!(unwrapped(layers), "https://shop.example");
    }

    #[test]
    fn other_links_stay_and_opaque_ones_are_known() {
        for text in [
            "https://shop.example/?url=https%3A%2F%2Fother.example",
            "https://notgoogle.com/url?q=https%3A%2F%2Fother.example",
            "https://www.google.com/url?q=javascript%3Aalert(1)",
            "https://www.google.com/url?q=https%3A%2F%2Fa%20b",
            "https://www.google.com/url?q=%zz",
            "no link, http alone, https:// too",
        ] {
            assert_eq!(unwrapped(text), text);
            assert!(!has_opaque(text), "{text}");
        }
        assert!(has_opaque("see https://protect-eu.mimecast.com/s/AbCdEf?domain=shop.example"));
    }
}
