//! From what the file says to what the house works with: keys, letters, accounts, the rules' settings.

use std::collections::BTreeMap;
use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};

use super::file::{self, File, RelayFromValue, RequireAuthValue, ReversePathValue, Tls, VerifyValue};
use super::findings::{self, Findings};
use super::providers::{Preset, preset};
use super::values::{Limit, Secret, Span};
use super::{Account, Endpoint};
use crate::desk::letters::Letters;
use crate::desk::policy::{
    Acknowledge, Agent, Budget, Limits, Mailbox, Policy, Probing, RelayFrom, RequireAuth, Retention, ReversePath,
    Security,
};
use crate::desk::token::TokenKeys;
use crate::mail::Address;
use crate::mail::dkim::Signer;
use crate::mail::language::LANGUAGES;

/// How often a mailbox may be probed, milliseconds.
const PROBE_MS: std::ops::RangeInclusive<i64> = 5_000..=7 * 86_400_000;
/// A probe must have come full circle within, milliseconds: two ways through the relay and two looks at the mailbox.
const PROBE_WITHIN_MS: i64 = 5 * 60_000;
/// A day, milliseconds.
const DAY_MS: i64 = 86_400_000;
/// R34.
const SPAM_MS_MIN: i64 = 30 * DAY_MS;

pub(super) fn token_keys(file: &File, findings: &mut Findings) -> TokenKeys {
    let secrets: Vec<&Secret> = file.token.keys.iter().flatten().chain(file.token.key.iter()).collect();
    if secrets.is_empty() {
        findings.fail(
            "token.key",
            "there is no token key",
            "make one: yesreply init, or openssl rand -hex 32 > token.key",
        );
    }
    let mut keys = Vec::new();
    for secret in secrets {
        match secret.read().and_then(|text| hex32(text.expose_secret())) {
            Ok(key) => keys.push(key),
            Err(reason) => {
                findings.fail("token.key", &reason, "it is 32 random octets as 64 hex digits: openssl rand -hex 32")
            }
        }
    }
    TokenKeys::new(keys)
}

fn hex32(text: &str) -> Result<[u8; 32], String> {
    let bytes = data_encoding::HEXLOWER_PERMISSIVE
        .decode(text.trim().as_bytes())
        .map_err(|_| "the token key is not hexadecimal".to_owned())?;
    let length = bytes.len();
    bytes.try_into().map_err(|_| format!("the token key has {length} octets, not 32"))
}

pub(super) fn letters(file: &File, findings: &mut Findings) -> Letters {
    let Some(folder) = &file.letters.folder else {
        return Letters::builtin();
    };
    let files = std::fs::read_dir(folder).and_then(|entries| {
        let mut files = BTreeMap::new();
        for entry in entries {
            let entry = entry?;
            files.insert(entry.file_name().to_string_lossy().into_owned(), std::fs::read_to_string(entry.path())?);
        }
        Ok(files)
    });
    let letters = files.map_err(|e| format!("read {}: {e}", folder.display())).and_then(Letters::with_folder_files);
    match letters {
        Ok(letters) => {
            for problem in letters.check_samples() {
                findings.fail(
                    "letters.folder",
                    &problem,
                    "mend the template; the built-in letters are in config/letters",
                );
            }
            letters
        }
        Err(reason) => {
            findings.fail("letters.folder", &reason, "mend the file, or take it out of the folder");
            Letters::builtin()
        }
    }
}

pub(super) fn accounts(file: &File, findings: &mut Findings) -> BTreeMap<String, Account> {
    let mut accounts = BTreeMap::new();
    for (name, mailbox) in &file.mailbox {
        let key = format!("mailbox.{name}");
        let imap_tls = mailbox.imap.tls.unwrap_or(Tls::Implicit);
        let imap = Endpoint {
            host: mailbox.imap.host.clone(),
            tls: imap_tls,
            port: mailbox.imap.port.unwrap_or(if imap_tls == Tls::Implicit { 993 } else { 143 }),
            ca: mailbox.imap.ca.clone(),
        };
        let smtp_tls = mailbox.smtp.tls.unwrap_or(Tls::Implicit);
        let smtp = Endpoint {
            host: mailbox.smtp.host.clone(),
            tls: smtp_tls,
            port: mailbox.smtp.port.unwrap_or(if smtp_tls == Tls::Implicit { 465 } else { 587 }),
            ca: mailbox.smtp.ca.clone(),
        };
        for (side, endpoint, insecure) in
            [("imap", &imap, mailbox.imap.insecure), ("smtp", &smtp, mailbox.smtp.insecure)]
        {
            if endpoint.tls == Tls::None && !insecure && !is_loopback(&endpoint.host) {
                findings.fail(
                    &format!("{key}.{side}.tls"),
                    &format!("\"none\" would send the password in the clear to {}", endpoint.host),
                    "use \"implicit\" or \"starttls\"; insecure = true if you must",
                );
            }
            if let Some(ca) = endpoint.ca.as_ref().filter(|ca| !ca.is_file()) {
                findings.fail(
                    &format!("{key}.{side}.ca"),
                    &format!("there is no file {}", ca.display()),
                    "name a PEM file",
                );
            }
        }
        let Some(password) = password(&key, mailbox, findings) else { continue };
        let preset = preset(&mailbox.smtp.host);
        if let Some(preset) = preset {
            known_provider(&key, preset, findings);
        }
        accounts.insert(
            name.clone(),
            Account {
                mailbox: name.clone(),
                imap,
                folder: mailbox.imap.folder.clone().unwrap_or_else(|| "INBOX".to_owned()),
                junk: mailbox.imap.junk.clone(),
                sent: mailbox.imap.sent.clone(),
                smtp,
                smtp_auth: mailbox.smtp.auth.unwrap_or(true),
                connections: mailbox.smtp.connections.unwrap_or(4).clamp(1, 64),
                per_minute: mailbox.smtp.per_minute.or(preset.and_then(|p| p.per_minute)),
                per_day: mailbox.smtp.per_day.or(preset.and_then(|p| p.per_day)),
                answer_bytes_max: answer_bytes_max(message_bytes_max(file)),
                user: mailbox.user.clone().unwrap_or_else(|| mailbox.address.clone()),
                password,
            },
        );
    }
    accounts
}

fn password(key: &str, mailbox: &file::Mailbox, findings: &mut Findings) -> Option<SecretString> {
    let (message, hint) = match mailbox.password.as_ref().map(Secret::read) {
        Some(Ok(password)) => return Some(password),
        Some(Err(reason)) => {
            (reason, "see that the file is there, has mode 600 and belongs to the user that runs this")
        }
        None => ("there is no password".to_owned(), "add password = { file = \"…\" }"),
    };
    findings.fail(&format!("{key}.password"), &message, hint);
    None
}

/// What is assumed of a provider, unless the config says otherwise.
fn known_provider(key: &str, preset: &Preset, findings: &mut Findings) {
    let minute = preset.per_minute.map(|n| format!("per_minute = {n}, ")).unwrap_or_default();
    let day = preset.per_day.map(|n| format!("per_day = {n}, ")).unwrap_or_default();
    findings.note(
        &format!("{key}.smtp"),
        &format!(
            "{}: {minute}{day}reverse_path = \"address\", null_reverse_path = false, unless they are set",
            preset.name
        ),
        "set them if this account differs",
    );
}

/// The largest mail that is fetched whole, octets.
fn message_bytes_max(file: &File) -> u64 {
    file.limits.message_bytes_max.map_or(25 * 1024 * 1024, |s| s.0)
}

/// Servers estimate sizes, and a list of all mails of a large folder is one answer too.
fn answer_bytes_max(message_bytes_max: u64) -> u64 {
    message_bytes_max.saturating_add(message_bytes_max / 4).max(32 * 1024 * 1024)
}

/// Two of one domain are well: an old verifier knows RSA only.
pub(super) fn signers(file: &File, findings: &mut Findings) -> Arc<[Signer]> {
    let mut signers: Vec<Signer> = Vec::new();
    for (name, dkim) in &file.dkim {
        let key = format!("dkim.{name}");
        let label = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
        for (field, text) in [("domain", &dkim.domain), ("selector", &dkim.selector)] {
            if text.is_empty() || text.len() > 253 || !label(text) {
                findings.fail(
                    &format!("{key}.{field}"),
                    &format!("\"{text}\" is no name in the DNS"),
                    "write it in ASCII, like shop.example and 2026a",
                );
            }
        }
        let signer = dkim.key.read().and_then(|pem| Signer::new(&dkim.domain, &dkim.selector, pem.expose_secret()));
        match signer {
            Ok(signer) if signers.iter().any(|s| s.record_name() == signer.record_name()) => findings.fail(
                &format!("{key}.selector"),
                &format!("there are two keys for {}", signer.record_name()),
                "give each a selector of its own",
            ),
            Ok(signer) => signers.push(signer),
            Err(reason) => findings.fail(
                &format!("{key}.key"),
                &reason,
                "make one: openssl genpkey -algorithm ed25519 -out dkim.pem (or -algorithm rsa); chmod 600 dkim.pem",
            ),
        }
    }
    signers.into()
}

pub(super) fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

pub(super) fn policy(file: &File, keys: TokenKeys, letters: Letters, findings: &mut Findings) -> Policy {
    let mut list = |key: &str, texts: &[String]| -> Vec<Address> {
        texts.iter().filter_map(|text| address(key, text, findings)).collect()
    };
    let forms = list("intake.forms", &file.intake.forms);
    let lists = list("intake.lists", &file.intake.lists);
    let trusted = &file.security.trusted_authserv_id;
    let verifies = file.security.verify == Some(VerifyValue::Dkim);
    let require_auth = match file.security.require_auth {
        Some(RequireAuthValue::Off) => RequireAuth::Off,
        Some(RequireAuthValue::Proven) => RequireAuth::Proven,
        Some(RequireAuthValue::Agents) => RequireAuth::Agents,
        Some(RequireAuthValue::Everyone) => RequireAuth::Everyone,
        None if trusted.is_empty() && !verifies => RequireAuth::Off,
        None => RequireAuth::Proven,
    };
    Policy {
        mailboxes: mailboxes(file, findings),
        agents: agents(file, findings),
        applications: super::listen::applications(file, findings),
        keys,
        acknowledge: Acknowledge {
            enabled: file.acknowledge.enabled,
            to: file.acknowledge.to.0,
            echo: file.acknowledge.echo.0,
        },
        limits: limits(file),
        security: Security {
            trusted_authserv_id: trusted.clone(),
            trusted_arc_sealer: file.security.trusted_arc_sealer.clone(),
            verifies,
            resolver: file.security.resolver,
            require_auth,
        },
        reopen_ms: i64::from(file.desk.reopen_days).saturating_mul(86_400_000),
        forms,
        strip_subject: file.intake.strip_subject.clone(),
        banner: file.intake.banner.clone(),
        lists,
        letters,
        digest_ms: digest_ms(file, findings),
        assignment: file.desk.assignment,
        hold_ms: file.desk.hold.ms(),
        collision: file.desk.collision,
        retention: retention(file, findings),
        #[cfg(feature = "failpoints")]
        guard_is_open: crate::failpoint::fault("open_guard"),
    }
}

fn digest_ms(file: &File, findings: &mut Findings) -> i64 {
    let period = file.desk.digest.ms();
    if period < 1_000 {
        findings.fail("desk.digest", "it is shorter than a second", "write it like \"24h\"");
    }
    period.max(1_000)
}

fn retention(file: &File, findings: &mut Findings) -> Retention {
    let kept = &file.retention;
    if kept.case.ms() < i64::from(file.desk.reopen_days).saturating_mul(DAY_MS) {
        findings.note(
            "retention.case",
            "closed cases go before desk.reopen_days have passed: a reply after that opens a new case",
            "keep cases for longer, or let fewer days pass",
        );
    }
    let mut at_least = |key: &str, span: Span, min_ms: i64, why: &str, write: &str| {
        if span.ms() < min_ms {
            findings.fail(key, why, write);
        }
        span.ms().max(min_ms)
    };
    let looked_at = "it is kept for a day at least: somebody must be able to look at it";
    let repeat = "a notification is kept for a day at least: as long as the same mail counts as a repeat (R71)";
    Retention {
        raw_ms: at_least("retention.raw", kept.raw, DAY_MS, looked_at, "write \"1y\""),
        case_ms: at_least("retention.case", kept.case, DAY_MS, looked_at, "write \"3y\""),
        spam_ms: at_least(
            "retention.spam",
            kept.spam,
            SPAM_MS_MIN,
            "spam is kept for 30 days at least (R34)",
            "write \"30d\" or more",
        ),
        quarantine_ms: at_least("retention.quarantine", kept.quarantine, DAY_MS, looked_at, "write \"30d\""),
        notifications_ms: at_least("retention.notifications", kept.notifications, DAY_MS, repeat, "write \"180d\""),
    }
}

fn limits(file: &File) -> Limits {
    let hour = 3_600_000;
    let budget =
        |limit: Option<Limit>, count: u32, window_ms: i64| limit.map_or(Some(Budget { count, window_ms }), |l| l.0);
    let limits = &file.limits;
    Limits {
        ack_per_address: budget(limits.ack_per_address, 1, 24 * hour),
        ack_per_domain: budget(limits.ack_per_domain, 20, hour),
        ack_total: budget(limits.ack_total, 200, hour),
        cases_per_address: budget(limits.cases_per_address, 30, hour),
        relays_per_agent: budget(limits.relays_per_agent, 200, hour),
        message_bytes_max: message_bytes_max(file),
    }
}

pub(super) fn address(key: &str, text: &str, findings: &mut Findings) -> Option<Address> {
    let address = Address::parse(text);
    if address.is_none() {
        findings.fail(key, &format!("\"{text}\" is no address"), "write it like support@shop.example");
    }
    address
}

fn mailboxes(file: &File, findings: &mut Findings) -> BTreeMap<String, Mailbox> {
    let mut mailboxes = BTreeMap::new();
    for (name, mailbox) in &file.mailbox {
        let key = format!("mailbox.{name}");
        let Some(address) = address(&format!("{key}.address"), &mailbox.address, findings) else {
            continue;
        };
        let Some(reply_address) = findings::reply_address(&key, mailbox, &address, findings) else {
            continue;
        };
        let zone = mailbox.time_zone.clone().unwrap_or_else(|| "UTC".to_owned());
        let time_zone = jiff::tz::TimeZone::get(&zone).unwrap_or_else(|_| {
            findings.fail(
                &format!("{key}.time_zone"),
                &format!("\"{zone}\" is no time zone"),
                "write it like Europe/Amsterdam",
            );
            jiff::tz::TimeZone::UTC
        });
        let language = mailbox.language.clone().unwrap_or_else(|| "en".to_owned());
        if !LANGUAGES.contains(&language.as_str()) {
            findings.note(
                &format!("{key}.language"),
                &format!(
                    "there are letters in {}; in \"{language}\" only what letters.folder has",
                    LANGUAGES.join(", ")
                ),
                &format!("put acknowledge.{language}.txt and the like there"),
            );
        }
        let preset = preset(&mailbox.smtp.host);
        mailboxes.insert(
            name.clone(),
            Mailbox {
                name: name.clone(),
                display_name: mailbox.name.clone().unwrap_or_else(|| address.local().to_owned()),
                address,
                reply_address,
                reverse_path: match mailbox.smtp.reverse_path.or(preset.map(|p| p.reverse_path)) {
                    Some(ReversePathValue::Address) => ReversePath::Address,
                    _ => ReversePath::Token,
                },
                null_reverse_path: mailbox.smtp.null_reverse_path.unwrap_or(preset.is_none_or(|p| p.null_reverse_path)),
                relay_from: match mailbox.relay_from {
                    Some(RelayFromValue::Token) => RelayFrom::Token,
                    _ => RelayFrom::Mailbox,
                },
                language,
                signature: mailbox.signature.clone().unwrap_or_default(),
                time_zone,
                probe: probing(&key, mailbox, findings),
            },
        );
    }
    mailboxes
}

/// R95. One probe is on its way at a time: where a mailbox is probed often, the next waits for the end of the last.
fn probing(key: &str, mailbox: &file::Mailbox, findings: &mut Findings) -> Probing {
    let every_ms = mailbox.probe.map(Span::ms);
    if every_ms.is_some_and(|every| !PROBE_MS.contains(&every)) {
        let hint = "write it like \"15m\": from 5 s to a week; or take it out";
        findings.fail(&format!("{key}.probe"), "a mailbox is not probed so often, or so seldom", hint);
    }
    let usual_ms = every_ms.map_or(PROBE_WITHIN_MS, |every| PROBE_WITHIN_MS.min(every));
    let within_ms = mailbox.probe_within.map_or(usual_ms, Span::ms);
    if !(1_000..=3_600_000).contains(&within_ms) {
        let hint = "write it like \"5m\": from 1 s to an hour";
        findings.fail(&format!("{key}.probe_within"), "a probe cannot be waited for so long, or so short", hint);
    }
    Probing { every_ms, within_ms }
}

fn agents(file: &File, findings: &mut Findings) -> BTreeMap<String, Agent> {
    let mut agents = BTreeMap::new();
    for (name, agent) in &file.agent {
        let key = format!("agent.{name}");
        let texts: Vec<&String> = agent.address.iter().chain(agent.addresses.iter().flatten()).collect();
        let addresses: Vec<Address> =
            texts.iter().filter_map(|text| address(&format!("{key}.address"), text, findings)).collect();
        if texts.is_empty() {
            findings.fail(&format!("{key}.address"), "there is no address", "add address = \"…\"");
        }
        let display_name = agent.name.clone().unwrap_or_else(|| name.clone());
        agents.insert(
            name.clone(),
            Agent {
                name: name.clone(),
                public_name: agent.public_name.clone().unwrap_or_else(|| display_name.clone()),
                display_name,
                addresses,
                mailboxes: agent.mailboxes.clone(),
                lead: agent.lead,
            },
        );
    }
    agents
}
