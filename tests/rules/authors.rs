//! R30 to R33, R20: who is speaking, and to whom an answer goes.

use crate::desk::{Desk, Sent, one_to, passed, to};
use crate::letter::{Draft, Letter, unique};

const JANE: &str = "Jane Doe <jane@customer.example>";
const MAX: &str = "Max <max@home.example>";
const ANNA: &str = "Anna <anna@agents.example>";
const BOB: &str = "Bob <bob@agents.example>";

/// A case of Jane's that Anna answered, and Max's mail on Jane's reply address as Anna got it.
struct Story {
    desk: Desk,
    answer: Letter,
    relay: Letter,
}

async fn max_writes() -> Story {
    let mut desk = Desk::new().await;
    desk.gets(JANE, &Draft::new("support@shop.example", "Parcel", "Where is it, my good people?")).await;
    let relay = one_to(&desk.sends().await, "anna@agents.example").clone();
    desk.gets(ANNA, &relay.reply("It comes tomorrow, by the van.")).await;
    let answer = one_to(&desk.sends().await, "jane@customer.example").clone();
    desk.gets(MAX, &answer.reply("She asked me to write instead.")).await;
    let sent = desk.sends().await;
    let relay = one_to(&sent, "anna@agents.example").clone();
    assert!(to(&sent, "max@home.example").is_empty(), "nothing goes to him by itself");
    Story { desk, answer, relay }
}

fn outside(sent: &[Sent]) -> Vec<(String, String)> {
    sent.iter()
        .filter(|s| !s.recipient.ends_with("@agents.example"))
        .map(|s| (s.recipient.clone(), s.letter.text().trim().to_owned()))
        .collect()
}

fn went(recipient: &str, words: &str) -> Vec<(String, String)> {
    vec![(recipient.to_owned(), words.to_owned())]
}

#[tokio::test]
async fn r33_an_unverified_authors_mail_is_shown_with_a_warning_and_runs_the_clock() {
    let Story { desk, relay, .. } = max_writes().await;
    let text = relay.text();
    for part in
        ["max@home.example is nobody whom this case knows", "#accept", "#replace", "#customer", "#only", "#reject"]
    {
        assert!(text.contains(part), "{part} is missing:\n{text}");
    }
    assert!(text.contains("on the reply address of Jane Doe <jane@customer.example>"), "{text}");
    assert!(text.starts_with("[ Your reply is held"), "{text}");
    let case = desk.case().await;
    assert_eq!(case.listed.case.status.word(), "open", "it runs the clock");
    assert_eq!(case.entries.last().map(|(_, e)| e.standing.word()), Some("unverified"));
}

#[tokio::test]
async fn r33_the_reply_is_held_until_one_word_says_to_whom() {
    for (word, recipient) in [
        ("#accept", "max@home.example"),
        ("#replace", "max@home.example"),
        ("#customer", "jane@customer.example"),
        ("#only", "max@home.example"),
    ] {
        let Story { mut desk, relay, .. } = max_writes().await;
        desk.gets(ANNA, &relay.reply("Who are you?")).await;
        let sent = desk.sends().await;
        assert_eq!(outside(&sent), [], "held");
        let told = one_to(&sent, "anna@agents.example").clone();
        assert!(told.text().contains("Who are you?") && told.text().contains(word), "{}", told.text());
        desk.gets(ANNA, &told.reply(word)).await;
        assert_eq!(outside(&desk.sends().await), went(recipient, "Who are you?"), "{word} sends what was held");
        desk.gets(ANNA, &told.reply("#send")).await;
        assert_eq!(outside(&desk.sends().await), [], "once");
    }
}

#[tokio::test]
async fn r33_the_word_may_stand_above_the_answer_at_once() {
    for (word, recipient) in [("#accept", "max@home.example"), ("#customer", "jane@customer.example")] {
        let Story { mut desk, relay, .. } = max_writes().await;
        desk.gets(ANNA, &relay.reply(&format!("{word}\nHello there."))).await;
        assert_eq!(outside(&desk.sends().await), went(recipient, "Hello there."), "{word}");
    }
}

#[tokio::test]
async fn r33_accept_makes_a_party_and_send_sends_nothing_by_itself() {
    let Story { mut desk, relay, answer } = max_writes().await;
    desk.gets(ANNA, &relay.reply("#send\nHello there.")).await;
    desk.gets(ANNA, &relay.reply("#send")).await;
    assert_eq!(outside(&desk.sends().await), []);
    desk.gets(ANNA, &relay.reply("#accept")).await;
    let sent = desk.sends().await;
    assert_eq!(outside(&sent), []);
    assert!(one_to(&sent, "anna@agents.example").text().contains("nothing was sent"));
    let case = desk.case().await;
    assert!(case.entries.iter().any(|(_, e)| e.from == "max@home.example" && e.standing.word() == "party"));
    desk.gets(MAX, &answer.reply("Max again.")).await;
    let relay = one_to(&desk.sends().await, "anna@agents.example").clone();
    assert!(relay.text().starts_with("[ Your reply goes to Max <max@home.example>"), "{}", relay.text());
    desk.gets(ANNA, &relay.reply("Good day, Max.")).await;
    assert_eq!(outside(&desk.sends().await), went("max@home.example", "Good day, Max."));
    desk.gets(JANE, &answer.reply("Jane again.")).await;
    let relay = one_to(&desk.sends().await, "anna@agents.example").clone();
    desk.gets(ANNA, &relay.reply("Good day, Jane.")).await;
    assert_eq!(outside(&desk.sends().await), went("jane@customer.example", "Good day, Jane."));
}

#[tokio::test]
async fn r33_replace_is_the_same_person_with_a_new_address() {
    let Story { mut desk, relay, answer } = max_writes().await;
    desk.gets(ANNA, &relay.reply("#replace")).await;
    assert_eq!(outside(&desk.sends().await), []);
    let case = desk.case().await;
    assert_eq!(case.listed.case.customer.address.to_string(), "max@home.example");
    // mail from the old address is still of the same person, and is answered at the new one
    desk.gets(JANE, &answer.reply("From the old address.")).await;
    let relay = one_to(&desk.sends().await, "anna@agents.example").clone();
    assert!(relay.text().starts_with("[ Your reply goes to Max <max@home.example>"), "{}", relay.text());
    desk.gets(ANNA, &relay.reply("Noted.")).await;
    assert_eq!(outside(&desk.sends().await), went("max@home.example", "Noted."));
}

#[tokio::test]
async fn r33_only_quotes_nothing_of_the_case_and_reject_sends_nothing() {
    let Story { mut desk, relay, .. } = max_writes().await;
    let reply = relay.reply("");
    let body = "#only\nWho are you?\n\n> She asked me to write instead.\n\nPlease say.\n".to_owned();
    desk.gets(ANNA, &Draft { body, ..reply.clone() }).await;
    let sent = desk.sends().await;
    let letter = one_to(&sent, "max@home.example").clone();
    for secret in ["Where is it", "Parcel?", "by the van", "jane@customer", "Jane"] {
        assert!(!letter.everything().contains(secret), "{secret}:\n{letter:?}");
    }
    assert!(!letter.text().contains('>') && letter.text().contains("Please say."), "{}", letter.text());
    desk.gets(MAX, &letter.reply("I am her brother.")).await;
    let relay = one_to(&desk.sends().await, "anna@agents.example").clone();
    assert!(relay.text().starts_with("[ Your reply is held"), "still unverified");
    desk.gets(ANNA, &relay.reply("Go away.")).await;
    desk.sends().await;
    desk.gets(ANNA, &relay.reply("#reject")).await;
    let sent = desk.sends().await;
    assert_eq!(outside(&sent), []);
    let case = desk.case().await;
    assert_eq!(case.listed.case.status.word(), "waiting", "nobody waits for an answer");
    assert!(case.entries.iter().any(|(_, e)| e.held.word() == "dropped"), "the held words are given up");
}

#[tokio::test]
async fn r33_a_word_without_its_matter_stops() {
    let mut desk = Desk::new().await;
    desk.gets(JANE, &Draft::new("support@shop.example", "Parcel", "Where is it?")).await;
    let relay = one_to(&desk.sends().await, "anna@agents.example").clone();
    for word in ["#accept", "#only\nHello.", "#customer\nHello.", "#reject", "#send"] {
        desk.gets(ANNA, &relay.reply(word)).await;
        let sent = desk.sends().await;
        assert_eq!(outside(&sent), [], "{word}");
        assert!(one_to(&sent, "anna@agents.example").text().contains("Nothing was sent"), "{word}");
    }
}

#[tokio::test]
async fn r40_what_answers_nothing_is_held_its_commands_count_and_send_sends_it() {
    let mut desk = Desk::new().await;
    desk.gets(JANE, &Draft::new("support@shop.example", "Parcel", "Where is it?")).await;
    let relay = one_to(&desk.sends().await, "anna@agents.example").clone();
    let anew = |words: &str| Draft::new(&relay.reply_to(), "A new mail", words);
    desk.gets(ANNA, &anew("#close\nThis is the answer.")).await;
    let sent = desk.sends().await;
    assert_eq!(outside(&sent), []);
    assert_eq!(desk.case().await.listed.case.status.word(), "closed", "its commands count");
    let told = one_to(&sent, "anna@agents.example").clone();
    assert!(told.text().contains("This is the answer.") && told.text().contains("#send"), "{}", told.text());
    desk.gets(ANNA, &told.reply("#send\nAnd more.")).await;
    assert_eq!(outside(&desk.sends().await), [], "other words than the held ones are not sent by #send");
    desk.gets(ANNA, &told.reply("#send")).await;
    assert_eq!(outside(&desk.sends().await), went("jane@customer.example", "This is the answer."));
    desk.gets(BOB, &told.reply("#send").to(&relay.reply_to())).await;
    assert_eq!(outside(&desk.sends().await), []);
}

#[tokio::test]
async fn r40_held_files_go_along_and_the_guard_has_seen_them() {
    for (content, leaves) in [("a harmless list", true), ("write to bob@agents.example", false)] {
        let mut desk = Desk::new().await;
        desk.gets(JANE, &Draft::new("support@shop.example", "Parcel", "Where is it?")).await;
        let relay = one_to(&desk.sends().await, "anna@agents.example").clone();
        let body = format!(
            "--b\nContent-Type: text/plain\n\nSee the file.\n--b\nContent-Type: application/octet-stream\n\
             Content-Disposition: attachment; filename=list.bin\n\n{content}\n--b--\n"
        );
        let draft = Draft::new(&relay.reply_to(), "A new mail", "")
            .field("MIME-Version", "1.0")
            .field("Content-Type", "multipart/mixed; boundary=b");
        desk.gets(ANNA, &Draft { body, ..draft }).await;
        let told = one_to(&desk.sends().await, "anna@agents.example").clone();
        desk.gets(ANNA, &told.reply("#send")).await;
        let sent = desk.sends().await;
        let to_jane = to(&sent, "jane@customer.example");
        assert_eq!(to_jane.len(), usize::from(leaves), "{content}");
        assert!(to_jane.iter().all(|l| l.everything().contains("list.bin")));
    }
}

#[tokio::test]
async fn r20_cc_makes_participants_who_get_answers_and_never_the_history() {
    let mut desk = Desk::new().await;
    let draft = Draft::new("support@shop.example", "Parcel", "Where is it, my good people?");
    desk.gets(JANE, &draft.field("Cc", "Max <max@home.example>")).await;
    let relay = one_to(&desk.sends().await, "anna@agents.example").clone();
    assert!(relay.text().contains("it also went to max@home.example"), "a suggestion:\n{}", relay.text());
    let quoted = "#cc max@home.example\nTomorrow.\n\n> Where is it, my good people?\n\nBy van.\n";
    desk.gets(ANNA, &Draft { body: quoted.to_owned(), ..relay.reply("") }).await;
    let sent = desk.sends().await;
    let (jane, max) = (one_to(&sent, "jane@customer.example"), one_to(&sent, "max@home.example"));
    for field in ["To", "Cc", "Date", "Message-ID", "Subject"] {
        assert_eq!(jane.field(field), max.field(field), "R2: {field}");
    }
    assert_eq!(jane.field("Cc"), "max@home.example");
    assert_ne!(jane.reply_to(), max.reply_to(), "each has a reply address of their own");
    assert!(!max.everything().contains("my good people"), "never the history:\n{max:?}");
    let max = max.clone();
    desk.gets(MAX, &max.reply("Thank you, Max.")).await;
    let relay = one_to(&desk.sends().await, "anna@agents.example").clone();
    assert!(relay.text().starts_with("[ Your reply goes to max <max@home.example>"), "{}", relay.text());
    desk.gets(JANE, &jane.reply("Thank you, Jane.")).await;
    let relay = one_to(&desk.sends().await, "anna@agents.example").clone();
    assert!(relay.text().contains("copy to max@home.example"), "{}", relay.text());
    desk.gets(ANNA, &relay.reply("#uncc max@home.example\nBye.")).await;
    assert_eq!(outside(&desk.sends().await), went("jane@customer.example", "Bye."));
}

#[tokio::test]
async fn r20_no_address_of_ours_or_of_an_agent_is_ever_a_participant() {
    for address in ["support@shop.example", "bob@agents.example", "support+abc@shop.example"] {
        let mut desk = Desk::new().await;
        desk.gets(JANE, &Draft::new("support@shop.example", "Parcel", "Where is it?")).await;
        let relay = one_to(&desk.sends().await, "anna@agents.example").clone();
        desk.gets(ANNA, &relay.reply(&format!("#cc {address}\nTomorrow."))).await;
        let sent = desk.sends().await;
        assert_eq!(outside(&sent), [], "{address}");
        assert!(one_to(&sent, "anna@agents.example").text().contains(address));
    }
}

#[tokio::test]
async fn r32_who_used_to_pass_and_does_not_is_unverified_in_whatever_case() {
    let mut desk = Desk::trusting().await;
    desk.gets_passed(JANE, &Draft::new("support@shop.example", "Parcel", "Where is it?")).await;
    desk.sends().await;
    for (trace, because) in [
        (String::new(), "used to pass"),
        (
            "Authentication-Results: mx.shop.example; dmarc=fail header.from=customer.example\r\n".to_owned(),
            "dmarc=fail",
        ),
    ] {
        let mail = Draft::new("support@shop.example", "Refund", "To another account, please.");
        let raw = mail.bytes(JANE, &format!("{}@x.example", unique()));
        desk.arrives("support", format!("{trace}{raw}").as_bytes()).await;
        let sent = desk.sends().await;
        assert_eq!(outside(&sent), [], "nothing is sent to them by itself");
        let relay = one_to(&sent, "anna@agents.example");
        assert!(relay.text().contains(because), "{}", relay.text());
        let case = desk.cases().await.pop().expect("a case");
        assert_ne!(case.listed.case.status.word(), "spam", "a verdict alone never makes spam");
        assert_eq!(case.entries[0].1.standing.word(), "unverified");
    }
}

#[tokio::test]
async fn r32_a_trusted_sealer_lifts_a_failure() {
    let settings = "[security]\ntrusted_authserv_id = [\"mx.shop.example\"]\ntrusted_arc_sealer = [\"uni.example\"]\n";
    for (sealer, standing) in [("uni.example", "stranger"), ("evil.example", "unverified")] {
        let mut desk = Desk::with(settings).await;
        let trace = format!(
            "Authentication-Results: mx.shop.example; dmarc=fail header.from=customer.example; arc=pass\r\n\
             ARC-Seal: i=1; a=rsa-sha256; cv=none; d={sealer}; s=a; b=x\r\n\
             ARC-Authentication-Results: i=1; mx.{sealer}; dmarc=pass header.from=customer.example\r\n"
        );
        let raw = Draft::new("support@shop.example", "Parcel", "Where is it?").bytes(JANE, "a@x.example");
        desk.arrives("support", format!("{trace}{raw}").as_bytes()).await;
        assert_eq!(desk.case().await.entries[0].1.standing.word(), standing, "{sealer}");
    }
}

#[tokio::test]
async fn r31_an_agent_is_asked_for_a_verdict_once_a_mail_of_theirs_has_passed() {
    let mut desk = Desk::learning().await;
    desk.gets(JANE, &Draft::new("support@shop.example", "Parcel", "Where is it?")).await;
    let relay = one_to(&desk.sends().await, "anna@agents.example").clone();
    desk.gets(ANNA, &relay.reply("Before any proof.")).await;
    assert_eq!(
        outside(&desk.sends().await),
        went("jane@customer.example", "Before any proof."),
        "no desk is locked out"
    );
    let failed = "Authentication-Results: mx.shop.example; dmarc=fail header.from=agents.example\r\n";
    let raw = relay.reply("A failure.").bytes(ANNA, "a@x.example");
    desk.arrives("support", format!("{failed}{raw}").as_bytes()).await;
    assert_eq!(outside(&desk.sends().await), [], "a failure is a failure");
    desk.welcomes("anna").await;
    let welcome = one_to(&desk.sends().await, "anna@agents.example").clone();
    desk.gets(ANNA, &welcome.reply("Hello.")).await;
    let sent = desk.sends().await;
    let told = one_to(&sent, "anna@agents.example").text();
    assert!(told.contains("nothing proves") && told.contains("no Authentication-Results"), "the missing link:\n{told}");
    desk.gets(ANNA, &relay.reply("Still without any proof.")).await;
    assert_eq!(outside(&desk.sends().await).len(), 1);
    desk.gets_passed("Eve <eve@agents.example>", &welcome.reply("I am Anna.")).await;
    desk.sends().await;
    assert_eq!(desk.flow.store().agents().await.expect("agents")[0].proven_by, "", "another's mail proves nothing");
    desk.gets_passed(ANNA, &welcome.reply("Hello again.")).await;
    let sent = desk.sends().await;
    assert!(one_to(&sent, "anna@agents.example").text().contains("passes"));
    assert_eq!(desk.cases().await.len(), 2, "Jane's, and Eve's own");
    desk.gets(ANNA, &relay.reply("Now a verdict is asked.")).await;
    assert_eq!(outside(&desk.sends().await), []);
    desk.gets_passed(ANNA, &relay.reply("And given.")).await;
    assert_eq!(outside(&desk.sends().await), went("jane@customer.example", "And given."));
}

#[tokio::test]
async fn r31_every_answer_that_passes_is_a_proof() {
    let mut desk = Desk::learning().await;
    desk.gets(JANE, &Draft::new("support@shop.example", "Parcel", "Where is it?")).await;
    let relay = one_to(&desk.sends().await, "anna@agents.example").clone();
    desk.gets_passed(ANNA, &relay.reply("First.")).await;
    desk.gets(ANNA, &relay.reply("Forged.")).await;
    assert_eq!(outside(&desk.sends().await), went("jane@customer.example", "First."));
}

#[tokio::test]
async fn r14_revoked_tokens_count_as_unknown_and_agents_get_new_ones() {
    let Story { mut desk, answer, relay } = max_writes().await;
    let outcome = desk.rotates(1001).await;
    assert_eq!(outcome, "handled");
    let sent = desk.sends().await;
    let fresh = one_to(&sent, "anna@agents.example").clone();
    assert_ne!(fresh.reply_to(), relay.reply_to());
    // a stranger with the old address opens a case of their own, and it is shown
    desk.gets("Eve <eve@elsewhere.example>", &answer.reply("Let me in.")).await;
    let cases = desk.cases().await;
    assert_eq!(cases.len(), 2);
    let sent = desk.sends().await;
    assert!(one_to(&sent, "bob@agents.example").text().contains("revoked"));
    // the customer comes in by the id of a mail that we hold, as a party
    desk.gets(JANE, &answer.reply("Jane with the old address.")).await;
    let cases = desk.cases().await;
    assert_eq!(cases.len(), 2);
    assert!(cases[0].entries.iter().any(|(_, e)| e.text.contains("Jane with the old") && e.standing.word() == "party"));
    desk.sends().await;
    // the agent's old address is held and told, and opens no case in their name
    desk.gets(ANNA, &relay.reply("#accept\nOn the old address.")).await;
    let sent = desk.sends().await;
    assert_eq!(outside(&sent), []);
    assert!(one_to(&sent, "anna@agents.example").text().contains("does not hold any more"));
    assert_eq!(desk.cases().await.len(), 2);
    desk.gets(ANNA, &fresh.reply("#customer\nOn the new address.")).await;
    let sent = desk.sends().await;
    assert_eq!(outside(&sent), went("jane@customer.example", "On the new address."));
    let answer = one_to(&sent, "jane@customer.example").clone();
    desk.gets(JANE, &answer.reply("And on mine.")).await;
    assert_eq!(desk.cases().await.len(), 2);
    assert_eq!(desk.rotates(4711).await, "ignored");
}

/// How a mail in Anna's name comes: token, From, verdict, and whether she is an agent still.
const TOKENS: [&str; 3] = ["good", "bad", "bob's"];
const VERDICTS: [&str; 4] = ["pass", "none", "fail", "forged"];

fn stamped(verdict: &str, from: &str, mail: &str) -> String {
    let domain = from.rsplit('@').next().expect("a domain").trim_end_matches('>');
    match verdict {
        "pass" => format!("{}{mail}", passed(from)),
        "fail" => format!("Authentication-Results: mx.shop.example; dmarc=fail header.from={domain}\r\n{mail}"),
        "forged" => format!("Received: from evil by relay.elsewhere.example\r\n{}{mail}", passed(from)),
        _ => mail.to_owned(),
    }
}

#[tokio::test]
async fn r40_of_forty_eight_ways_to_answer_one_reaches_the_customer() {
    let mut reached = Vec::new();
    for token in TOKENS {
        for from in [ANNA, "Eve <eve@elsewhere.example>"] {
            for active in [true, false] {
                let mut desk = Desk::trusting().await;
                let mut relays = Vec::new();
                for number in 0..VERDICTS.len() {
                    let customer = format!("jane{number}@customer.example");
                    desk.gets(&customer, &Draft::new("support@shop.example", "Parcel", "Where is it?")).await;
                    let sent = desk.sends().await;
                    let relay = one_to(&sent, "anna@agents.example").clone();
                    relays.push((customer, relay, one_to(&sent, "bob@agents.example").reply_to()));
                }
                if !active {
                    desk = desk.without_anna().await;
                }
                for (verdict, (customer, relay, bobs)) in VERDICTS.iter().zip(relays) {
                    let way = format!("{token} token, {from}, {verdict}, active: {active}");
                    let address = match token {
                        "good" => relay.reply_to(),
                        "bad" => spoilt(&relay.reply_to()),
                        _ => bobs,
                    };
                    let mail = relay.reply("Send the money.").to(&address);
                    let raw = stamped(verdict, from, &mail.bytes(from, &format!("{}@x.example", unique())));
                    desk.arrives("support", raw.as_bytes()).await;
                    let sent = desk.sends().await;
                    if !to(&sent, &customer).is_empty() {
                        reached.push(way.clone());
                        continue;
                    }
                    let told = if active {
                        vec!["anna@agents.example", "bob@agents.example"]
                    } else {
                        vec!["bob@agents.example"]
                    };
                    assert!(sent.iter().all(|s| told.contains(&s.recipient.as_str())), "{way}: {sent:?}");
                    let right = match (token, active) {
                        ("good" | "bad", true) => "anna@agents.example",
                        _ => "bob@agents.example",
                    };
                    assert!(!to(&sent, right).is_empty(), "{way}: {right} is not told");
                }
                let audit = desk.flow.store().sums().await.expect("sums");
                assert_eq!(audit.0, audit.1.iter().map(|one| one.count).sum::<i64>(), "every mail has its one outcome");
            }
        }
    }
    assert_eq!(reached, ["good token, Anna <anna@agents.example>, pass, active: true"]);
}

/// The address with one character of its MAC changed.
fn spoilt(address: &str) -> String {
    let (local, domain) = address.split_once('@').expect("an address");
    let last = if local.ends_with('2') { '3' } else { '2' };
    format!("{}{last}@{domain}", &local[..local.len() - 1])
}

#[tokio::test]
async fn r31_a_login_and_the_providers_mark_of_internal_mail_are_a_pass() {
    for (id, trace, passes) in [
        ("mx.shop.example", "Authentication-Results: mx.shop.example; auth=pass smtp.auth=anna@agents.example", true),
        ("mx.shop.example", "Authentication-Results: mx.shop.example; auth=pass smtp.auth=eve@agents.example", false),
        ("microsoft365", "X-MS-Exchange-Organization-AuthAs: Internal", true),
        ("microsoft365", "X-MS-Exchange-Organization-AuthAs: Anonymous", false),
        ("mx.shop.example", "X-MS-Exchange-Organization-AuthAs: Internal", false),
    ] {
        let mut desk =
            Desk::with(&format!("[security]\ntrusted_authserv_id = [\"{id}\"]\nrequire_auth = \"agents\"\n")).await;
        desk.gets(JANE, &Draft::new("support@shop.example", "Parcel", "Where is it?")).await;
        let relay = one_to(&desk.sends().await, "anna@agents.example").clone();
        let raw = relay.reply("Tomorrow.").bytes(ANNA, "a@x.example");
        desk.arrives("support", format!("{trace}\r\n{raw}").as_bytes()).await;
        assert_eq!(outside(&desk.sends().await).len(), usize::from(passes), "{trace}");
    }
}

#[tokio::test]
async fn r40_reply_all_among_colleagues_reaches_no_customer() {
    let mut desk = Desk::trusting().await;
    desk.gets(JANE, &Draft::new("support@shop.example", "Parcel", "Where is it?")).await;
    let sent = desk.sends().await;
    let (annas, bobs) = (one_to(&sent, "anna@agents.example").clone(), one_to(&sent, "bob@agents.example").clone());
    let (anna_token, bob_token) = (annas.reply_to(), bobs.reply_to());
    // Anna asks Bob, with her own token in Cc; Bob replies to all; Anna answers him, the token still in Cc
    let ask = annas.reply("What shall we tell her?").to("bob@agents.example").field("Cc", &anna_token);
    let asked = format!("<{}@agents.example>", unique());
    desk.gets_passed(
        ANNA,
        &ask.field("Message-ID", &asked).without("In-Reply-To").field("In-Reply-To", "<x@y.example>"),
    )
    .await;
    let mut parent = asked;
    for (who, to_address, words) in [
        (BOB, "anna@agents.example", "Tell her it is lost."),
        (ANNA, "bob@agents.example", "She will be angry."),
        (BOB, "anna@agents.example", "#send\nThen say nothing."),
        (ANNA, "bob@agents.example", "#accept"),
    ] {
        for token in [&anna_token, &bob_token] {
            let draft = Draft::new(to_address, &format!("Re: {}", annas.subject()), words)
                .field("Cc", token)
                .field("In-Reply-To", &parent)
                .field("References", &format!("{} {parent}", annas.message_id()));
            let id = desk.gets_passed(who, &draft).await;
            let sent = desk.sends().await;
            assert_eq!(outside(&sent), [], "{who} {words}");
            parent = id;
        }
    }
    let case = desk.case().await;
    assert!(case.entries.iter().any(|(_, e)| e.direction.word() == "note" && e.text.contains("it is lost")));
}

#[tokio::test]
async fn r30_the_standing_is_the_same_in_the_letter_and_in_the_store() {
    let Story { desk, relay, .. } = max_writes().await;
    assert!(relay.text().contains("Author: Max <max@home.example>, unverified"), "{}", relay.text());
    let standings: Vec<&str> = desk.case().await.entries.iter().map(|(_, e)| e.standing.word()).collect();
    assert_eq!(standings, ["stranger", "system", "agent", "unverified"]);
}
