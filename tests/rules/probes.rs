//! R95: a probe comes full circle, or says at which step it broke.

use yesreply::desk::What;
use yesreply::desk::probe::{Probe, Step};
use yesreply::store::cases::{Filter, Whole};
use yesreply::store::types::Settlement;

use crate::desk::{Desk, Sent, one_to, to};
use crate::letter::{Draft, Letter, unique};

const SUPPORT: &str = "support@shop.example";
const MINUTE_MS: i64 = 60_000;

impl Desk {
    async fn probes(&self) -> String {
        self.ordered(What::Probe { mailbox: "support".to_owned() }).await
    }

    async fn last_probe(&self) -> Probe {
        self.flow.store().last_probes().await.expect("probes").pop().expect("a probe that has ended")
    }

    /// The cases of probes and all others.
    async fn with_probes(&self) -> Vec<Whole> {
        let filter = Filter { limit: 100, probes: true, ..Filter::default() };
        let mut all = Vec::new();
        for listed in self.flow.store().cases(&filter).await.expect("cases") {
            all.push(self.flow.store().case(listed.case.reference).await.expect("a case").expect("a case"));
        }
        all
    }

    async fn rows(&self, table: &str) -> i64 {
        let sql = format!("SELECT count(*) AS n FROM {table}");
        let row = sqlx::query(sqlx::AssertSqlSafe(sql)).fetch_one(self.flow.store().reader()).await.expect("a count");
        sqlx::Row::get(&row, "n")
    }

    async fn adds_up(&self) {
        let (stored, outcomes) = self.flow.store().sums().await.expect("sums");
        assert_eq!(stored, outcomes.iter().map(|s| s.count).sum::<i64>(), "{outcomes:?}");
    }

    /// A probe leaves, comes, and its answer leaves.
    async fn is_answered(&mut self) -> (Letter, Sent) {
        assert_eq!(self.probes().await, "handled");
        let probe = one_to(&self.sends().await, SUPPORT).clone();
        self.arrives("support", &probe.raw).await;
        let mut sent = self.sends().await;
        assert_eq!(sent.len(), 1, "{sent:?}");
        (probe, sent.remove(0))
    }

    async fn passes(&mut self) {
        let (_, answer) = self.is_answered().await;
        self.arrives("support", &answer.letter.raw).await;
        assert!(self.last_probe().await.passed());
    }

    /// What is in the outbox next is refused by the relay.
    async fn is_refused(&self, status: &str, reply: &str) {
        let claimed = self.claims().await;
        let row = claimed.first().expect("a mail");
        assert!(self.flow.data_started(row.id, row.attempt).await.expect("start"));
        let settlement = Settlement::Failed { status: status.to_owned(), reply: reply.to_owned() };
        self.flow.settle(row.id, row.attempt, settlement).await.expect("settle");
    }

    /// So long after now, what is due.
    async fn later(&self, ms: i64) {
        while self.flow.due(yesreply::clock::now_ms() + ms, 50).await.expect("what is due") > 0 {}
        // what was queued then can be sent now
        let mut transaction = self.flow.store().begin().await.expect("begin");
        sqlx::query("UPDATE outbox SET next_attempt_at = 0").execute(&mut *transaction).await.expect("update");
        transaction.commit().await.expect("commit");
    }
}

#[tokio::test]
async fn r95_a_probe_comes_full_circle_and_bothers_nobody() {
    let mut desk = Desk::new().await;
    let (probe, answer) = desk.is_answered().await;
    assert!(probe.reply_to().starts_with("support+n"), "{probe:?}");
    assert_eq!(probe.field("Auto-Submitted"), "auto-generated");
    assert_eq!(answer.recipient, probe.reply_to(), "as a customer's client would");
    assert_eq!(answer.reverse_path.as_deref(), Some(SUPPORT), "what comes back must not need a sub-address");
    let letter = &answer.letter;
    assert_eq!(letter.field("In-Reply-To"), probe.message_id());
    assert!(letter.field("References").ends_with(&probe.message_id()), "{letter:?}");
    assert!(letter.text().contains("> This is a probe.") && letter.subject().starts_with("Re: "), "{letter:?}");
    assert!(letter.field("Auto-Submitted").is_empty(), "{letter:?}");
    desk.arrives("support", &letter.raw).await;
    let done = desk.last_probe().await;
    assert!(done.passed() && Step::ALL.iter().all(|step| done.at_ms(*step).is_some()), "{done:?}");
    assert!(desk.sends().await.is_empty(), "relayed to nobody, acknowledged to nobody");
    assert!(desk.cases().await.is_empty(), "not in lists");
    assert!(desk.flow.store().search("probe", 10).await.expect("search").is_empty());
    let cases = desk.with_probes().await;
    assert_eq!((cases.len(), cases[0].listed.case.status.word(), cases[0].entries.len()), (1, "closed", 2));
    assert!(cases[0].log.iter().any(|l| l.kind == "opened" && l.rule == "R72"), "{:?}", cases[0].log);
    desk.adds_up().await;
    desk.gets("Jane <jane@customer.example>", &Draft::new(SUPPORT, "Parcel", "Where is it?")).await;
    assert_eq!(desk.case().await.listed.case.reference, cases[0].listed.case.reference + 1);
}

#[tokio::test]
async fn r95_probes_do_not_pile_up_and_the_sums_add_up() {
    let mut desk = Desk::new().await;
    desk.passes().await;
    let tables = ["cases", "entries", "mails", "events", "notifications", "outbox", "known_ids", "parties", "case_log"];
    let mut before = Vec::new();
    for table in tables {
        before.push(desk.rows(table).await);
    }
    let number = desk.with_probes().await[0].listed.case.reference;
    for _ in 0..3 {
        desk.passes().await;
        desk.adds_up().await;
    }
    for (table, rows) in tables.iter().zip(before) {
        assert_eq!(desk.rows(table).await, rows, "{table}");
    }
    assert_eq!(desk.rows("probes").await, 4, "the results stay");
    assert_eq!(desk.with_probes().await[0].listed.case.reference, number, "they share one number");
}

#[tokio::test]
async fn r95_nothing_of_a_probe_happens_twice() {
    let mut desk = Desk::new().await;
    let (probe, answer) = desk.is_answered().await;
    assert_eq!(desk.probes().await, "ignored", "one at a time");
    desk.arrives("support", &probe.raw).await;
    assert!(desk.sends().await.is_empty(), "answered once");
    desk.is_sent(&answer.letter.raw).await;
    assert!(
        desk.flow.store().last_probes().await.expect("probes").is_empty(),
        "a copy among the sent mail is no answer"
    );
    for _ in 0..2 {
        desk.arrives("support", &answer.letter.raw).await;
    }
    assert_eq!(desk.with_probes().await.len(), 1);
    // a folder that is numbered anew, after both are forgotten
    desk.passes().await;
    for letter in [&probe, &answer.letter] {
        desk.arrives("support", &letter.raw).await;
        desk.takes("support", &letter.raw, true).await;
    }
    assert!(desk.sends().await.is_empty() && desk.cases().await.is_empty());
    assert_eq!(desk.with_probes().await.len(), 1);
    desk.adds_up().await;
}

#[tokio::test]
async fn r95_a_mail_that_mimics_a_probe_is_ordinary_mail() {
    let mut desk = Desk::new().await;
    let (probe, answer) = desk.is_answered().await;
    let own = format!("Shop Support <{SUPPORT}>");
    let forged = answer.letter.message_id().replace("<answer-b", "<answer-b0");
    let mimics = [
        Draft::new(SUPPORT, &probe.subject(), &probe.text()).field("Auto-Submitted", "auto-generated"),
        Draft::new(SUPPORT, &answer.letter.subject(), "It can.").field("Message-ID", &forged),
    ];
    for (number, mimic) in mimics.iter().enumerate() {
        desk.gets("Mallory <mallory@evil.example>", mimic).await;
        desk.gets(&own, mimic).await;
        assert!(desk.flow.store().last_probes().await.expect("probes").is_empty(), "{mimic:?}");
        assert!(desk.cases().await.len() > number, "an ordinary case: {mimic:?}");
    }
    // who has seen the probe's address has a case of their own, and the probe goes on
    desk.gets("Mallory <mallory@evil.example>", &probe.reply("Mine now.")).await;
    let all = desk.cases().await;
    assert!(all.iter().any(|c| c.listed.case.customer.address.to_string() == "mallory@evil.example"));
    desk.arrives("support", &answer.letter.raw).await;
    assert!(desk.last_probe().await.passed());
    desk.adds_up().await;
}

#[tokio::test]
async fn r95_a_sub_address_that_is_refused_is_an_alarm_that_says_so_once() {
    let mut desk = Desk::new().await;
    for round in 0..2 {
        assert_eq!(desk.probes().await, "handled");
        let probe = one_to(&desk.sends().await, SUPPORT).clone();
        desk.arrives("support", &probe.raw).await;
        desk.is_refused("5.1.1", "550 5.1.1 user unknown").await;
        let failed = desk.last_probe().await;
        assert_eq!(failed.failed, Some(Step::Answered));
        assert!(
            failed.detail.starts_with("sub-address refused: 5.1.1") && failed.detail.contains("catch-all"),
            "{failed:?}"
        );
        let sent = desk.sends().await;
        assert_eq!(to(&sent, "anna@agents.example").len(), usize::from(round == 0), "told when it begins: {sent:?}");
    }
    let states = desk.flow.store().accounts().await.expect("accounts");
    let state = states.iter().find(|s| s.side == "probe").expect("a state");
    assert!(state.state == "failed" && state.detail.contains("at the step answered"), "{state:?}");
    let suppressed = desk.flow.store().suppressions(10).await.expect("suppressions");
    assert!(suppressed.is_empty(), "our own address is never suppressed");
    desk.passes().await;
    let told = desk.sends().await;
    assert!(one_to(&told, "anna@agents.example").text().contains("can be answered again"), "{told:?}");
    desk.passes().await;
    assert!(desk.sends().await.is_empty());
    desk.adds_up().await;
}

#[tokio::test]
async fn r95_leads_hear_of_it_where_there_are_leads() {
    let mut desk = Desk::with("[agent.carol]\naddress = \"carol@agents.example\"\nlead = true\n").await;
    desk.is_answered().await;
    desk.later(5 * MINUTE_MS + 1_000).await;
    let sent = desk.sends().await;
    let told = one_to(&sent, "carol@agents.example");
    assert!(sent.len() == 1 && told.text().contains("\"opened\""), "{sent:?}");
}

#[tokio::test]
async fn r95_a_bounce_of_the_answer_is_recognised_by_our_mac() {
    let mut desk = Desk::new().await;
    for embedded in [false, true] {
        let (_, answer) = desk.is_answered().await;
        let header = String::from_utf8_lossy(&answer.letter.raw).replace("\r\n", "\n");
        let header = header.split("\n\n").next().unwrap_or_default().to_owned();
        let header = if embedded { header } else { "Subject: Re: Can this be answered?\n".to_owned() };
        let body = format!(
            "--b\nContent-Type: text/plain\n\nI could not deliver your mail.\n\n--b\nContent-Type: \
             message/delivery-status\n\nReporting-MTA: dns; mx.example\n\nFinal-Recipient: rfc822; {}\nAction: \
             failed\nStatus: 5.1.1\nDiagnostic-Code: smtp; 550 5.1.1 no such user\n\n--b\nContent-Type: \
             text/rfc822-headers\n\n{header}\n--b--\n",
            answer.recipient
        );
        let report = Draft::new(SUPPORT, "Undelivered Mail Returned to Sender", &body)
            .field("Return-Path", "<>")
            .field("Auto-Submitted", "auto-replied")
            .field("MIME-Version", "1.0")
            .field("Content-Type", "multipart/report; report-type=delivery-status; boundary=b");
        desk.gets("MAILER-DAEMON@mx.example", &report).await;
        let ended = desk.flow.store().last_probes().await.expect("probes").pop();
        assert_eq!(
            ended.is_some_and(|p| p.failed == Some(Step::Opened) && p.detail.starts_with("sub-address refused: 5.1.1")),
            embedded
        );
        desk.later(5 * MINUTE_MS + 1_000).await;
    }
}

#[tokio::test]
async fn r95_the_step_at_which_it_stopped_is_named() {
    for (steps, expected, words) in [
        (0, Step::Submitted, "the relay had not taken the probe after 300.0 s"),
        (1, Step::Received, "had not come into the mailbox"),
        (2, Step::Answered, "the relay had not taken the answer"),
        (3, Step::Opened, "had not come back"),
    ] {
        let mut desk = Desk::new().await;
        assert_eq!(desk.probes().await, "handled");
        if steps > 0 {
            let probe = one_to(&desk.sends().await, SUPPORT).clone();
            if steps > 1 {
                desk.arrives("support", &probe.raw).await;
            }
            if steps > 2 {
                desk.sends().await;
            }
        }
        desk.later(4 * MINUTE_MS).await;
        assert!(desk.flow.store().last_probes().await.expect("probes").is_empty(), "not yet");
        desk.later(5 * MINUTE_MS + 1_000).await;
        let failed = desk.last_probe().await;
        assert_eq!(failed.failed, Some(expected), "{failed:?}");
        assert!(failed.detail.contains(words), "{failed:?}");
        desk.adds_up().await;
    }
}

#[tokio::test]
async fn r95_a_probe_that_nobody_waited_for_is_no_alarm() {
    let mut desk = Desk::new().await;
    let (_, answer) = desk.is_answered().await;
    desk.later(60 * MINUTE_MS).await;
    assert!(desk.flow.store().last_probes().await.expect("probes").is_empty(), "neither passed nor failed");
    desk.arrives("support", &answer.letter.raw).await;
    assert!(desk.sends().await.is_empty() && desk.with_probes().await.is_empty());
    desk.passes().await;
}

#[tokio::test]
async fn r95_what_a_server_does_to_it_is_named() {
    for (answer_in_junk, rewritten) in [(false, false), (true, false), (false, true)] {
        let mut desk = Desk::new().await;
        assert_eq!(desk.probes().await, "handled");
        let probe = one_to(&desk.sends().await, SUPPORT).clone();
        let (step, words) = if rewritten {
            let raw = String::from_utf8_lossy(&probe.raw).replace(&probe.reply_to(), "gone@shop.example");
            desk.arrives("support", raw.as_bytes()).await;
            (Step::Received, "its Reply-To was support+n")
        } else if answer_in_junk {
            desk.arrives("support", &probe.raw).await;
            let answer = desk.sends().await.remove(0);
            desk.arrives_in_junk(&answer.letter.raw).await;
            (Step::Opened, "the folder for spam")
        } else {
            desk.arrives_in_junk(&probe.raw).await;
            (Step::Received, "the folder for spam")
        };
        let failed = desk.last_probe().await;
        assert!(failed.failed == Some(step) && failed.detail.contains(words), "{failed:?}");
    }
}

#[tokio::test]
async fn r95_rewritten_message_ids_and_plain_addresses_pass_too() {
    let plain = Desk::support_with(
        "reply_address = \"{address}\"",
        "[security]\ntrusted_authserv_id = [\"mx.shop.example\"]\nrequire_auth = \"agents\"\n",
    );
    plain.await.passes().await;
    let mut desk = Desk::new().await;
    assert_eq!(desk.probes().await, "handled");
    let other = |letter: &Letter| {
        let id = format!("<{}@rewritten.example>", unique());
        String::from_utf8_lossy(&letter.raw).replacen(&letter.message_id(), &id, 1)
    };
    let probe = one_to(&desk.sends().await, SUPPORT).clone();
    desk.arrives("support", other(&probe).as_bytes()).await;
    let answer = desk.sends().await.remove(0);
    desk.arrives("support", other(&answer.letter).as_bytes()).await;
    assert!(desk.last_probe().await.passed());
}

#[tokio::test]
async fn r95_the_clock_probes_once_a_period_whatever_restarts() {
    let desk = Desk::support("probe = \"15m\"").await;
    for _ in 0..3 {
        desk.flow.schedule_probes().await.expect("schedule");
    }
    assert_eq!(desk.rows("agenda").await, 1);
    desk.later(15 * MINUTE_MS).await;
    assert_eq!(one_to(&desk.sends().await, SUPPORT).subject(), "Can this be answered?");
    assert_eq!(desk.rows("probes").await, 1);
    assert_eq!(desk.rows("agenda").await, 2, "the next one, and the end of this one");
    let desk = Desk::new().await;
    desk.flow.schedule_probes().await.expect("schedule");
    assert_eq!(desk.rows("agenda").await, 0, "off by default");
}
