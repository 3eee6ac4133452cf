//! `[application.…]`: how an application is told what customers chose, and what came back.
//!
//! Never     lets a webhook leave this machine in the clear, or without a key that proves it.

use std::collections::BTreeSet;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretSlice};

use super::file::File;
use super::findings::Findings;
use super::listen::{Application, EventValue};
use crate::call::{Place, Receiver, Webhook, signature};
use crate::desk::call::Kind;

/// `call_timeout`.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);
/// It is no longer than this.
const CALL_TIMEOUT_MAX: Duration = Duration::from_secs(300);
/// `actions_timeout`, milliseconds.
const ACTIONS_MS: i64 = 15 * 60_000;

/// What an application is told: nothing without a webhook or a command.
pub(super) fn takes(application: &Application) -> BTreeSet<Kind> {
    if application.webhook.is_none() && application.command.is_empty() {
        return BTreeSet::new();
    }
    let Some(events) = &application.events else {
        return Kind::ALL.into_iter().collect();
    };
    let kind = |event: &EventValue| match event {
        EventValue::Action => Kind::Action,
        EventValue::Unsubscribed => Kind::Unsubscribed,
        EventValue::Suppressed => Kind::Suppressed,
        EventValue::Complaint => Kind::Complaint,
    };
    events.iter().map(kind).collect()
}

pub(super) fn actions_ms(key: &str, application: &Application, findings: &mut Findings) -> i64 {
    let span = application.actions_timeout.map_or(ACTIONS_MS, super::values::Span::ms);
    if span < 1_000 {
        findings.fail(&format!("{key}.actions_timeout"), "it is shorter than a second", "write it like \"15m\"");
    }
    span.max(1_000)
}

pub(super) fn receivers(file: &File, findings: &mut Findings) -> Vec<Receiver> {
    file.application.iter().filter_map(|(name, application)| receiver(name, application, findings)).collect()
}

fn receiver(name: &str, application: &Application, findings: &mut Findings) -> Option<Receiver> {
    let key = format!("application.{name}");
    let place = match (&application.webhook, application.command.is_empty()) {
        (None, true) => return lonely(&key, application, findings),
        (Some(url), true) => Place::Webhook(webhook(&key, url, application, findings)?),
        (None, false) => Place::Command(application.command.clone()),
        (Some(_), false) => {
            findings.fail(&format!("{key}.command"), "there is a webhook too", "take one of them out");
            return None;
        }
    };
    let timeout = application.call_timeout.map_or(CALL_TIMEOUT, |s| s.0);
    if timeout > CALL_TIMEOUT_MAX || timeout.is_zero() {
        findings.fail(&format!("{key}.call_timeout"), "it is zero, or more than 5 minutes", "write it like \"10s\"");
    }
    Some(Receiver { application: name.to_owned(), place, timeout })
}

/// Keys that say how to tell, and nobody is told.
fn lonely(key: &str, application: &Application, findings: &mut Findings) -> Option<Receiver> {
    let keys = [
        ("secret", application.secret.is_some()),
        ("events", application.events.is_some()),
        ("call_timeout", application.call_timeout.is_some()),
        ("actions_timeout", application.actions_timeout.is_some()),
    ];
    for (name, _) in keys.into_iter().filter(|(_, is_there)| *is_there) {
        let hint = "add webhook = \"https://…\" or command = [\"…\"], or take it out";
        findings.fail(&format!("{key}.{name}"), "nothing says where this application is told", hint);
    }
    None
}

fn webhook(key: &str, text: &str, application: &Application, findings: &mut Findings) -> Option<Webhook> {
    let at = format!("{key}.webhook");
    let url = text.parse::<hyper::Uri>().ok().filter(|url| {
        let is_http = matches!(url.scheme_str(), Some("http" | "https"));
        is_http
            && url.host().is_some_and(|h| !h.is_empty())
            && !url.authority().is_some_and(|a| a.as_str().contains('@'))
    });
    let Some(url) = url else {
        findings.fail(&at, &format!("\"{text}\" is no URL"), "write it like https://shop.example/hooks/yesreply");
        return None;
    };
    let host = url.host().unwrap_or_default().trim_matches(['[', ']']);
    if url.scheme_str() == Some("http") && !application.insecure && !super::build::is_loopback(host) {
        let hint = "use https; insecure = true if you must";
        findings.fail(&at, &format!("it would send customers' words in the clear to {host}"), hint);
    }
    if let Some(ca) = application.ca.as_ref().filter(|ca| !ca.is_file()) {
        findings.fail(&format!("{key}.ca"), &format!("there is no file {}", ca.display()), "name a PEM file");
    }
    let secret = application.secret.as_ref().map(|secret| {
        let secret = secret.read()?;
        signature::key(secret.expose_secret())
    });
    let hint = "make one: openssl rand -hex 32 > FILE; chmod 600 FILE; then secret = { file = \"FILE\" }";
    match secret {
        Some(Ok(secret)) => Some(Webhook { url, secret: SecretSlice::from(secret), ca: application.ca.clone() }),
        Some(Err(reason)) => {
            findings.fail(&format!("{key}.secret"), &reason, hint);
            None
        }
        None => {
            findings.fail(&format!("{key}.secret"), "a webhook is signed, and there is no key", hint);
            None
        }
    }
}
