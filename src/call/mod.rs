//! The edge to applications: what they are to be told is told, by a webhook or a command, as often as it takes.
//!
//! Promises   at least once, under one id that is the same at every attempt; an answer is believed only with its
//!            consequences committed; one application that does not answer delays no other.

pub mod command;
pub mod http;
pub mod schedule;
pub mod signature;

use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretSlice;
use serde::Deserialize;
use tokio::task::JoinSet;

use crate::clock;
use crate::flow::Flow;
use crate::flow::calls::CallEnd;
use crate::health::Beat;
use crate::mail::text;
use crate::store::calls::Due;

/// How long at most between two looks.
const LOOK: Duration = Duration::from_secs(1);
/// Calls to one application at once.
const AT_ONCE_MAX: i64 = 4;
/// Octets of an answer that are read.
pub const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// Characters of an answer that a customer gets.
const ANSWER_CHARS_MAX: usize = 4_000;
/// Characters of a refusal that are kept.
const REASON_CHARS_MAX: usize = 300;

/// How an application is told.
#[derive(Debug, Clone)]
pub struct Receiver {
    /// Its short name.
    pub application: String,
    /// Where.
    pub place: Place,
    /// For one attempt.
    pub timeout: Duration,
}

/// Where an application hears of things.
#[derive(Debug, Clone)]
pub enum Place {
    /// At a URL.
    Webhook(Webhook),
    /// On the standard input of a command: program and arguments.
    Command(Vec<String>),
}

/// A URL and what proves that a request to it is ours.
#[derive(Debug, Clone)]
pub struct Webhook {
    /// `https://…`, or `http://…` where the config allows it.
    pub url: hyper::Uri,
    /// Key of the signature.
    pub secret: SecretSlice<u8>,
    /// Own CA.
    pub ca: Option<std::path::PathBuf>,
}

/// What one attempt came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attempt {
    /// Taken, with what the customer is to read.
    Taken(String),
    /// It will never be taken.
    Refused(String),
    /// Not this time.
    Failed(String),
}

/// The answer of an application: one JSON object; whatever else it says is not for customers.
#[derive(Debug, Default, Deserialize)]
struct Answer {
    #[serde(default)]
    answer: String,
}

/// Tells one application what it is to be told, for ever. May be dropped at any point.
pub async fn run(receiver: Arc<Receiver>, flow: Arc<Flow>, beat: Beat) {
    loop {
        beat.within(receiver.timeout.saturating_add(Duration::from_secs(300)));
        let due = flow.store().calls_due(&receiver.application, clock::now_ms(), AT_ONCE_MAX).await;
        match due {
            Ok(due) if !due.is_empty() => {
                let mut calls = JoinSet::new();
                for call in due {
                    calls.spawn(one(receiver.clone(), flow.clone(), call));
                }
                let mut failed = false;
                while let Some(done) = calls.join_next().await {
                    failed |= !matches!(done, Ok(Ok(())));
                }
                if !failed {
                    continue;
                }
            }
            Ok(_) => {}
            Err(error) => tracing::warn!(
                application.name = receiver.application,
                %error,
                "what an application is to be told could not be read; it is tried again"
            ),
        }
        tokio::time::sleep(LOOK).await;
    }
}

async fn one(receiver: Arc<Receiver>, flow: Arc<Flow>, call: Due) -> anyhow::Result<()> {
    let attempt = attempt(&receiver, &call).await;
    let now = clock::now_ms();
    let end = match attempt {
        Attempt::Taken(answer) => CallEnd::Taken(answer),
        Attempt::Refused(reason) => CallEnd::NotTaken(reason),
        Attempt::Failed(reason) if now >= call.until_ms => CallEnd::NotTaken(reason),
        Attempt::Failed(reason) => {
            let jitter = i64::try_from(clock::jitter(1_000)).unwrap_or_default();
            CallEnd::Later(schedule::next_ms(now, call.attempts, call.until_ms, jitter), reason)
        }
    };
    if let CallEnd::NotTaken(reason) | CallEnd::Later(_, reason) = &end {
        tracing::warn!(
            application.name = receiver.application,
            call = call.call_id,
            reason,
            "an application did not take a call"
        );
    }
    let done = flow.call_ended(call.row, end).await;
    if let Err(error) = &done {
        tracing::warn!(
            application.name = receiver.application,
            error = format!("{error:#}"),
            "how a call ended could not be stored; it is made again"
        );
    }
    done
}

async fn attempt(receiver: &Receiver, call: &Due) -> Attempt {
    let work = async {
        match &receiver.place {
            Place::Webhook(webhook) => http::post(webhook, call, clock::now_ms()).await,
            Place::Command(words) => command::run(words, call).await,
        }
    };
    match tokio::time::timeout(receiver.timeout, work).await {
        Ok(attempt) => attempt,
        Err(_) => Attempt::Failed(format!("no answer within {} s", receiver.timeout.as_secs())),
    }
}

/// What of an application's answer a customer may read: the `answer` of a JSON object, as clean text.
fn answer(bytes: &[u8]) -> String {
    let answer: Answer = serde_json::from_slice(bytes).unwrap_or_default();
    text::body(&answer.answer).trim().chars().take(ANSWER_CHARS_MAX).collect()
}

/// The beginning of what an application said, for operators and agents.
fn reason(what: &str, bytes: &[u8]) -> String {
    let said: String = text::header(&String::from_utf8_lossy(bytes)).chars().take(REASON_CHARS_MAX).collect();
    if said.is_empty() { what.to_owned() } else { format!("{what}: {said}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_answer_of_an_object_is_for_customers() {
        for (bytes, expected) in [
            (&br#"{"answer": " Order 4711 is cancelled.\r\n", "debug": 1}"#[..], "Order 4711 is cancelled."),
            (br#"{"answer": ""}"#, ""),
            (b"Notice: undefined index in /var/www/hook.php", ""),
            (br#"{"answer": 7}"#, ""),
            (b"", ""),
        ] {
            assert_eq!(answer(bytes), expected);
        }
        let long = format!(r#"{{"answer": "{}"}}"#, "x".repeat(10_000));
        assert_eq!(answer(long.as_bytes()).len(), ANSWER_CHARS_MAX);
        assert_eq!(reason("status 500", b"a\r\nb"), "status 500: a b");
    }
}
