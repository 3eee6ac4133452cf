//! What a service manager hears of us: READY, STATUS, WATCHDOG, STOPPING (sd_notify(3)). Without one, nothing happens.
//!
//! Never     feeds the watchdog while a loop is overdue or the database cannot be written: then a restart is right.

use std::sync::Arc;
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::clock;
use crate::desk::outgoing::unstaffed;
use crate::desk::policy::Policy;
use crate::flow::Flow;
use crate::health::Health;

/// How often STATUS is written where no watchdog asks for more.
const STATUS: Duration = Duration::from_secs(30);

/// The config is good, the database is open, the loops have begun.
pub fn ready() {
    tell(&[NotifyState::Ready]);
}

/// It ends.
pub fn stopping() {
    tell(&[NotifyState::Stopping]);
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "the service manager could not be told");
    }
}

/// Writes STATUS and feeds the watchdog, for ever.
pub async fn watch(flow: Arc<Flow>, health: Health) {
    let watchdog = sd_notify::watchdog_enabled();
    let period = watchdog.map_or(STATUS, |limit| (limit / 3).min(STATUS)).max(Duration::from_millis(100));
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let overdue = health.overdue(clock::now_ms());
        let writes = timeout(period.saturating_mul(2), flow.probe()).await;
        let trouble = match (&writes, overdue.as_slice()) {
            (Err(_), _) => Some("the database does not take a write in time".to_owned()),
            (Ok(Err(error)), _) => Some(format!("the database does not take a write: {error:#}")),
            (Ok(Ok(())), []) => None,
            (Ok(Ok(())), stuck) => Some(format!("nothing is heard of {}", stuck.join(", "))),
        };
        match trouble {
            None => {
                tell(&[NotifyState::Status(&status(&flow).await)]);
                if watchdog.is_some() {
                    tell(&[NotifyState::Watchdog]);
                }
            }
            Some(reason) => {
                tracing::error!(reason, "the watchdog is not fed");
                tell(&[NotifyState::Status(&reason)]);
            }
        }
    }
}

/// One line: mailboxes that work, those that do not and why, mail that waits.
async fn status(flow: &Flow) -> String {
    let states = flow.store().accounts().await.unwrap_or_default();
    let waiting = flow.store().outbox_waiting().await.unwrap_or_default();
    let failing: Vec<String> = states
        .iter()
        .filter(|s| s.state != "ok" && flow.policy().mailboxes.contains_key(&s.mailbox))
        .map(|s| format!("{} {} {}", s.mailbox, s.side, s.state))
        .collect();
    let agents = flow.policy().agents.len();
    let mailboxes = flow.policy().mailboxes.len();
    let trouble = if failing.is_empty() { String::new() } else { format!("; {}", failing.join(", ")) };
    let alarms = match flow.store().alarms().await {
        Ok(n @ 1..) => format!("; ALARM: nobody can be reached about {n} cases"),
        Ok(_) | Err(_) => String::new(),
    };
    let breaker = match flow.store().breaker_is_open().await {
        Ok(true) => "; the breaker of acknowledgements is open",
        _ => "",
    };
    let nobody = nobody(flow.policy());
    format!("{mailboxes} mailboxes, {agents} agents, {waiting} mails wait to be sent{alarms}{trouble}{breaker}{nobody}")
}

/// What STATUS says of mailboxes that nobody works (R90).
#[must_use]
pub fn nobody(policy: &Policy) -> String {
    let unstaffed = unstaffed(policy);
    if policy.agents.is_empty() {
        "; no agent is configured".to_owned()
    } else if unstaffed.is_empty() {
        String::new()
    } else {
        format!("; no agent works {}", unstaffed.join(", "))
    }
}
