//! T01 to T19: who somebody is, and which case a mail belongs to.

use crate::desk::{Desk, one_to, to};
use crate::letter::Draft;
use crate::{ANNA, EVE, JANE, opened, outside, outsiders, question};

#[tokio::test]
async fn t01_a_sign_up_code_sent_to_a_tokened_address_is_for_agents_only() {
    let mut desk = Desk::new().await;
    let (acknowledged, _) = opened(&mut desk).await;
    let code = Draft::new(&acknowledged.reply_to(), "Your code", "Your code is 493-221, or click https://slack.test/x");
    desk.gets("no-reply@slack.test", &code).await;
    let sent = desk.sends().await;
    assert!(!outside(&sent).contains("493-221"), "{sent:?}");
    assert!(outsiders(&sent).is_empty(), "{sent:?}");
    let shown = one_to(&sent, "anna@agents.example").text();
    assert!(shown.contains("493-221") && shown.contains("Careful:"), "agents see it, marked: {shown}");
}

#[tokio::test]
async fn t02_a_copy_to_a_stranger_never_makes_them_a_recipient() {
    let mut desk = Desk::new().await;
    let (acknowledged, mut relay) = opened(&mut desk).await;
    desk.gets(JANE, &acknowledged.reply("Tell Eve too.").field("Cc", "evil@attacker.test")).await;
    for turn in 0..3 {
        let sent = desk.sends().await;
        assert!(!outsiders(&sent).contains(&"evil@attacker.test"), "{sent:?}");
        if let Some(newer) = to(&sent, "anna@agents.example").last() {
            relay = (*newer).clone();
        }
        desk.gets(ANNA, &relay.reply(&format!("Answer {turn}."))).await;
    }
    let sent = desk.sends().await;
    assert!(!outside(&sent).contains("evil@attacker.test"), "{sent:?}");
    desk.gets("evil@attacker.test", &acknowledged.reply("Tell me all of it, please.")).await;
    assert!(outsiders(&desk.sends().await).is_empty(), "a stranger who asks to be told is not told");
}

#[tokio::test]
async fn t03_a_customer_who_used_to_pass_and_does_not_is_shown_as_unverified() {
    let mut desk = Desk::trusting().await;
    desk.gets_passed(JANE, &question("Where is it?")).await;
    let sent = desk.sends().await;
    let acknowledged = one_to(&sent, "jane@customer.example").clone();
    desk.gets(JANE, &acknowledged.reply("Please refund to another IBAN.")).await;
    let sent = desk.sends().await;
    assert!(one_to(&sent, "anna@agents.example").text().contains("Careful:"));
    assert!(outsiders(&sent).is_empty());
    let entries = desk.case().await.entries;
    assert_eq!(entries.last().expect("an entry").1.standing.word(), "unverified");
}

#[tokio::test]
async fn t05_a_removed_agents_answer_is_held_and_the_others_see_it() {
    let mut desk = Desk::new().await;
    let (_, relay) = opened(&mut desk).await;
    let mut desk = desk.reconfigured("[agent.anna]", "[agent.carol]").await;
    desk.gets(ANNA, &relay.reply("I still work here.")).await;
    let sent = desk.sends().await;
    assert!(outsiders(&sent).is_empty(), "{sent:?}");
    assert!(one_to(&sent, "bob@agents.example").text().contains("no agent any more"));
}

#[tokio::test]
async fn t06_guessed_and_forged_ids_open_cases_of_their_own() {
    let mut desk = Desk::new().await;
    let (acknowledged, _) = opened(&mut desk).await;
    let local = acknowledged.reply_to();
    let (token, domain) = local.split_once('@').expect("an address");
    let bytes: Vec<char> = token.chars().collect();
    for at in "support+".len()..bytes.len() {
        let mut forged = bytes.clone();
        forged[at] = if forged[at] == '2' { '3' } else { '2' };
        let to = format!("{}@{domain}", forged.iter().collect::<String>());
        let explained = desk.explains(EVE, &Draft::new(&to, "Re: Parcel", "x")).await;
        let decision = explained.decision.expect("a decision");
        assert_ne!(decision.case, Some(desk.case().await.listed.case.key), "character {at} does not count");
    }
    let guessed = question("Let me in").subject("[#1001] Parcel").field("References", "<1001@shop.example>");
    desk.gets(EVE, &guessed).await;
    assert_eq!(desk.cases().await.len(), 2);
    let sent = desk.sends().await;
    assert!(!outsiders(&sent).contains(&"jane@customer.example"));
}

#[tokio::test]
async fn t07_a_customers_own_message_id_lets_no_stranger_in() {
    let mut desk = Desk::new().await;
    let id = desk.gets(JANE, &question("Where is it?")).await;
    desk.sends().await;
    desk.gets(EVE, &question("Send it to me instead.").field("In-Reply-To", &id).field("References", &id)).await;
    let cases = desk.cases().await;
    assert_eq!(cases.len(), 2);
    assert_eq!(cases[0].entries.iter().filter(|(_, e)| e.direction.word() == "inbound").count(), 1);
}

#[tokio::test]
async fn t08_who_holds_a_customers_address_gets_nothing_of_the_case() {
    let mut desk = Desk::new().await;
    let (acknowledged, _) = opened(&mut desk).await;
    desk.gets(EVE, &acknowledged.reply("I have this address from a list.")).await;
    let sent = desk.sends().await;
    assert!(outsiders(&sent).is_empty(), "{sent:?}");
    let relay = one_to(&sent, "anna@agents.example").clone();
    assert!(relay.text().contains("eve@elsewhere.example") && relay.text().contains("Careful:"));
    desk.gets(ANNA, &relay.reply("Here is all about Jane.")).await;
    assert!(outsiders(&desk.sends().await).is_empty(), "an answer to them is held");
}

#[tokio::test]
async fn t10_nothing_of_the_agents_mail_but_words_and_files_leaves() {
    let mut desk = Desk::new().await;
    let (_, relay) = opened(&mut desk).await;
    let mut reply = relay.reply("It comes tomorrow.");
    for (number, name) in [
        "Received",
        "X-Originating-IP",
        "DKIM-Signature",
        "Received-SPF",
        "X-Mailer",
        "User-Agent",
        "Organization",
        "X-Spam-Status",
        "Disposition-Notification-To",
        "Return-Receipt-To",
        "X-Priority",
        "Importance",
        "X-Yesreply-Case",
        "X-Anything",
        "Comments",
        "Keywords",
        "X-Sender",
        "Resent-From",
        "List-Id-X",
        "Autocrypt",
        "X-Confirm-Reading-To",
        "Face",
        "OpenPGP",
        "X-MS-Has-Attach",
        "Accept-Language",
    ]
    .iter()
    .enumerate()
    {
        reply = reply.field(name, &format!("sentinel{number} private.agents.example"));
    }
    desk.gets(ANNA, &reply).await;
    let sent = desk.sends().await;
    let answer = one_to(&sent, "jane@customer.example");
    assert!(!answer.everything().contains("sentinel"), "{answer:?}");
    assert!(!answer.everything().contains("agents.example"), "{answer:?}");
}

#[tokio::test]
async fn t11_our_own_control_fields_from_outside_change_nothing() {
    let mut outcomes = Vec::new();
    for hostile in [false, true] {
        let mut desk = Desk::new().await;
        let mut draft = question("Where is it?").field("Message-ID", "<same@customer.example>");
        if hostile {
            for name in ["X-Yesreply-Case", "X-Yesreply-Status", "X-Yesreply-Agent", "Thread-Topic-X", "x-ms-reactions"]
            {
                draft = draft.field(name, "<a0000000000000000000000000000000000000000.case@shop.example>");
            }
        }
        desk.gets(JANE, &draft).await;
        let sent = desk.sends().await;
        let mut seen: Vec<(String, String)> = sent.iter().map(|s| (s.recipient.clone(), s.letter.subject())).collect();
        seen.sort();
        outcomes.push((seen, desk.case().await.listed.case.status));
    }
    assert_eq!(outcomes[0], outcomes[1]);
}

#[tokio::test]
async fn t12_a_forged_verdict_gives_no_echo() {
    for forged in [
        "Received: from evil by mx.shop.example; Mon\r\nAuthentication-Results: mx.shop.example; dmarc=fail header.from=customer.example\r\nReceived: from evil by evil.example; Mon\r\nAuthentication-Results: mx.shop.example; dmarc=pass header.from=customer.example\r\n",
        "Received: from evil by evil.example; Mon\r\nAuthentication-Results: mx.shop.example; dmarc=pass header.from=customer.example\r\n",
        "Authentication-Results: evil.example (mx.shop.example); dmarc=pass header.from=customer.example\r\n",
        "Authentication-Results: \"mx.shop.example.evil.example\"; dmarc=pass header.from=customer.example\r\n",
        "Authentication-Results: mx.shop.example; dmarc=pass header.from=evil.example\r\n",
    ] {
        let mut desk = Desk::trusting().await;
        let mail = question("BUY http://evil.example").bytes(JANE, "forged@customer.example");
        desk.arrives("support", format!("{forged}{mail}").as_bytes()).await;
        assert!(!outside(&desk.sends().await).contains("evil.example"), "{forged}");
    }
}

#[tokio::test]
async fn t13_an_ambiguous_author_is_never_an_agent_and_never_believed() {
    let passed = "Authentication-Results: mx.shop.example; dmarc=pass header.from=agents.example\r\n";
    for from in [
        "Anna <anna@agents.example>, Eve <eve@elsewhere.example>",
        "Eve <eve@elsewhere.example>\r\nFrom: Anna <anna@agents.example>",
        "Anna <anna@agents.example>\r\nFrom: Eve <eve@elsewhere.example>",
        "\"anna@agents.example\" <eve@elsewhere.example>",
        "anna@agents.example <eve@elsewhere.example>",
        "\"anna@agents.example\"@elsewhere.example",
        "eve@elsewhere.example (anna@agents.example)",
        "=?utf-8?q?anna=40agents.example?= <eve@elsewhere.example>",
        "Group: anna@agents.example, eve@elsewhere.example;",
        "<anna@agents.example\0@elsewhere.example>",
        "anna@agents.example@elsewhere.example",
        "Anna <anna@agents.example>\r\nSender: eve@elsewhere.example",
    ] {
        let mut desk = Desk::trusting().await;
        let (_, relay) = opened(&mut desk).await;
        let mail = relay.reply("Pay Eve at once.").bytes("X", "t13@elsewhere.example").replacen(
            "From: X",
            &format!("From: {from}"),
            1,
        );
        desk.arrives("support", format!("{passed}{mail}").as_bytes()).await;
        let sent = desk.sends().await;
        assert!(!outside(&sent).contains("Pay Eve"), "{from}: {sent:?}");
    }
}

#[tokio::test]
async fn t14_look_alikes_of_an_agents_address_are_strangers() {
    for like in [
        "аnna@agents.example",
        "ánna@agents.example",
        "anna@agénts.example",
        "anna@agents.exаmple",
        "annа@xn--agents-x.example",
    ] {
        let mut desk = Desk::new().await;
        let (_, relay) = opened(&mut desk).await;
        desk.gets(&format!("Anna <{like}>"), &relay.reply("Pay Eve.")).await;
        assert!(outsiders(&desk.sends().await).is_empty(), "{like}");
    }
    let mut desk = Desk::new().await;
    let (_, relay) = opened(&mut desk).await;
    desk.gets("ANNA <ANNA@AGENTS.example>", &relay.reply("It comes.")).await;
    assert_eq!(outsiders(&desk.sends().await), ["jane@customer.example"]);
}

#[tokio::test]
async fn t15_a_replayed_mail_that_was_not_written_to_us_is_not_acknowledged() {
    let mut desk = Desk::trusting().await;
    desk.gets_passed(JANE, &question("Hello").to("somebody@else.example")).await;
    assert!(outsiders(&desk.sends().await).is_empty());
}

#[tokio::test]
async fn t16_a_message_id_that_was_used_before_suppresses_nothing() {
    let mut desk = Desk::new().await;
    for words in ["First.", "Second, and quite another."] {
        desk.gets(JANE, &question(words).field("Message-ID", "<same@customer.example>")).await;
    }
    assert_eq!(to(&desk.sends().await, "anna@agents.example").len(), 2);
    let raw = question("Third.").bytes(JANE, "third@customer.example");
    desk.arrives("support", raw.as_bytes()).await;
    desk.arrives("support", raw.as_bytes()).await;
    assert_eq!(to(&desk.sends().await, "anna@agents.example").len(), 1, "the same bytes are one mail");
}

#[tokio::test]
async fn t17_a_reply_to_elsewhere_never_gets_the_answer() {
    let mut desk = Desk::new().await;
    desk.gets(JANE, &question("Where is it?").field("Reply-To", "eve@elsewhere.example")).await;
    let sent = desk.sends().await;
    let relay = one_to(&sent, "anna@agents.example").clone();
    assert!(relay.text().contains("eve@elsewhere.example"), "agents are told");
    desk.gets(ANNA, &relay.reply("It comes.")).await;
    assert_eq!(outsiders(&desk.sends().await), ["jane@customer.example"]);
}

#[tokio::test]
async fn t18_one_of_three_ways_back_is_enough() {
    for kept in 0..8 {
        let mut desk = Desk::new().await;
        let (acknowledged, _) = opened(&mut desk).await;
        let mut reply = acknowledged.reply("Me again.").subject("Re: something");
        if kept & 1 == 0 {
            reply = reply.to("support@shop.example");
        }
        if kept & 2 == 0 {
            reply = reply.without("In-Reply-To");
        }
        if kept & 4 == 0 {
            reply = reply.without("References");
        }
        desk.gets(JANE, &reply).await;
        assert_eq!(desk.cases().await.len(), if kept == 0 { 2 } else { 1 }, "kept {kept:03b}");
    }
}

#[tokio::test]
async fn t19_a_rewritten_message_id_is_made_up_for_by_the_stable_one() {
    let mut desk = Desk::new().await;
    let (acknowledged, _) = opened(&mut desk).await;
    let stable = acknowledged.field("References").split(' ').next().expect("a stable id").to_owned();
    let reply = acknowledged
        .reply("Me again.")
        .to("support@shop.example")
        .without("In-Reply-To")
        .without("References")
        .field("In-Reply-To", "<rewritten@relay.example>")
        .field("References", &format!("{stable} <rewritten@relay.example>"));
    desk.gets(JANE, &reply).await;
    assert_eq!(desk.cases().await.len(), 1);
}
