//! Numbers for monitoring: what happened since the start, and how things stand now.
//!
//! Decides   nothing. Counters live as long as the process; how things stand is read from the store for each page.
//! Follows   OpenMetrics 1.0 (units in names, `_total`).
//! Never     bears an address, a subject, a case or any other word from the world: labels are our own words and the short
//!           names of the config, so that their number does not grow with the mail (T42).

use std::fmt;

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

use crate::store::gauges::{Gauges, Number};

/// Labels of an event: its kind, its outcome, the rule that decided.
type EventLabels = [(&'static str, &'static str); 3];
/// One label.
type Label = [(&'static str, &'static str); 1];

/// What is counted while the process lives. Clones count together.
#[derive(Debug, Clone, Default)]
pub struct Metrics {
    events: Family<EventLabels, Counter>,
    queued: Family<Label, Counter>,
    attempts: Family<Label, Counter>,
    restarts: Family<[(&'static str, String); 2], Counter>,
}

/// How a family of numbers is named and explained.
struct Shown {
    name: &'static str,
    help: &'static str,
}

impl Metrics {
    /// An event was handled and committed.
    pub fn event(&self, kind: &'static str, outcome: &'static str, rule: &'static str) {
        self.events.get_or_create(&[("kind", kind), ("outcome", outcome), ("rule", rule)]).inc();
    }

    /// A mail was queued for this purpose.
    pub fn queued(&self, purpose: &'static str) {
        self.queued.get_or_create(&[("purpose", purpose)]).inc();
    }

    /// An attempt to send ended so.
    pub fn attempt(&self, result: &'static str) {
        self.attempts.get_or_create(&[("result", result)]).inc();
    }

    /// A loop ended by a fault of ours and begins again; `of` is the short name of what it serves.
    pub fn restart(&self, name: &'static str, of: &str) {
        self.restarts.get_or_create(&[("loop", name.to_owned()), ("of", of.to_owned())]).inc();
    }

    /// The page: the counters, and how things stand.
    ///
    /// # Errors
    /// None in practice: it is written to memory.
    pub fn page(&self, gauges: &Gauges, overdue: &[String]) -> Result<String, fmt::Error> {
        let mut registry = Registry::with_prefix("yesreply");
        let build = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "The program", build);
        let counters: [(&str, &str, &Family<Label, Counter>); 2] = [
            ("mails_queued", "Mails put into the outbox, by purpose", &self.queued),
            ("send_attempts", "Attempts to send, by how they ended", &self.attempts),
        ];
        for (name, help, family) in counters {
            registry.register(name, help, family.clone());
        }
        registry.register("events", "What happened, by kind, outcome and the rule that decided", self.events.clone());
        registry.register("loop_restarts", "Loops that a fault of ours ended", self.restarts.clone());
        for (shown, numbers) in families(gauges) {
            register(&mut registry, &shown, numbers);
        }
        let late = Family::<[(&'static str, String); 1], Gauge>::default();
        for name in overdue {
            late.get_or_create(&[("loop", name.clone())]).set(1);
        }
        registry.register("loop_overdue", "Loops of which nothing was heard in time", late);
        let mut page = String::new();
        encode(&mut page, &registry)?;
        Ok(page)
    }
}

/// A number without labels stands for itself.
fn register(registry: &mut Registry, shown: &Shown, numbers: &[Number]) {
    if let [Number { labels, value }] = numbers
        && labels.is_empty()
    {
        let gauge = Gauge::<i64>::default();
        gauge.set(*value);
        registry.register(shown.name, shown.help, gauge);
        return;
    }
    let family = Family::<Vec<(&'static str, String)>, Gauge>::default();
    for number in numbers {
        family.get_or_create(&number.labels).set(number.value);
    }
    registry.register(shown.name, shown.help, family);
}

fn families(gauges: &Gauges) -> [(Shown, &[Number]); 13] {
    let shown = |name, help| Shown { name, help };
    [
        (shown("cases", "Cases that are not closed, by mailbox and status"), &gauges.cases),
        (shown("alarmed_cases", "Open cases about which nobody can be reached"), &gauges.alarmed),
        (shown("outbox_mails", "Mails that have not left, by mailbox and state"), &gauges.outbox),
        (shown("outbox_oldest_age_seconds", "Age of the oldest of them"), &gauges.outbox_age_s),
        (shown("quarantine_mails", "Mails in quarantine"), &gauges.quarantine),
        (shown("intake_gaps", "Mails that could not be fetched, by mailbox and state"), &gauges.gaps),
        (shown("intake_read_timestamp_seconds", "When a folder was last read to its end"), &gauges.read_at_s),
        (shown("account_up", "1 if the account works, by mailbox and side"), &gauges.accounts),
        (shown("probe_timestamp_seconds", "When a probe last passed or failed, by mailbox"), &gauges.probed_at_s),
        (shown("probe_duration_milliseconds", "How long the last probe took that passed"), &gauges.probe_ms),
        (shown("acknowledgement_breaker_open", "1 while strangers get no acknowledgement"), &gauges.breaker),
        (shown("calls_waiting", "Events that applications have not taken yet"), &gauges.calls),
        (shown("suppressed_addresses", "Addresses that get no notifications"), &gauges.suppressed),
    ]
}
