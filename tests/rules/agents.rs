//! R40 to R46: agents' mail.

use crate::desk::{Desk, one_to, to};
use crate::letter::{Draft, Letter};

const JANE: &str = "Jane Doe <jane@customer.example>";
const ANNA: &str = "Anna Agentson <anna@agents.example>";
const BOB: &str = "Bob <bob@agents.example>";

/// A case of Jane's: Anna's and Bob's relays.
async fn opened(desk: &mut Desk) -> (Letter, Letter) {
    desk.gets(JANE, &Draft::new("support@shop.example", "Parcel", "Where is it?\n\nI wait since Monday.")).await;
    let sent = desk.sends().await;
    (one_to(&sent, "anna@agents.example").clone(), one_to(&sent, "bob@agents.example").clone())
}

async fn to_jane(desk: &Desk) -> Vec<Letter> {
    let sent = desk.sends().await;
    to(&sent, "jane@customer.example").into_iter().cloned().collect()
}

#[tokio::test]
async fn r40_an_answer_needs_the_agents_own_token_their_own_from_and_a_mail_of_ours() {
    let mut desk = Desk::new().await;
    let (annas, bobs) = opened(&mut desk).await;
    let bare = |words: &str| Draft::new(&annas.reply_to(), &format!("Re: {}", annas.subject()), words);
    for (who, from, draft) in [
        ("a stranger with Anna's token", "Eve <eve@elsewhere.example>", annas.reply("From Eve.")),
        ("the customer with Anna's token", JANE, annas.reply("From Jane.")),
        ("Anna without a mail of ours", ANNA, bare("No In-Reply-To.")),
        ("Anna on the plain address", ANNA, annas.reply("Plain.").to("support@shop.example")),
        ("Bob with Anna's token", BOB, annas.reply("From Bob.")),
        ("Anna about Bob's relay", ANNA, bobs.reply("Another's mail.").to(&annas.reply_to())),
    ] {
        desk.gets(from, &draft).await;
        assert!(to_jane(&desk).await.is_empty(), "{who}");
    }
    desk.gets(ANNA, &annas.reply("It comes tomorrow.")).await;
    let answers = to_jane(&desk).await;
    assert_eq!(answers.len(), 1);
    assert_eq!(answers[0].text().trim(), "It comes tomorrow.");
    let case = desk.cases().await.remove(0);
    assert_eq!(case.listed.case.owner.as_deref(), Some("anna"), "the first to answer owns it");
}

/// A reply to a mail of ours that a relay on the way gave another Message-ID.
fn reply_to_rewritten(ours: &Letter, unique: &str, words: &str) -> Draft {
    let foreign = format!("<{unique}@relay.agents.example>");
    let reply = ours.reply(words).without("In-Reply-To").without("References");
    reply.field("In-Reply-To", &foreign).field("References", &format!("{} {foreign}", ours.field("References")))
}

#[tokio::test]
async fn r40_an_answer_survives_a_relay_that_rewrites_message_ids() {
    let mut desk = Desk::new().await;
    let (annas, _) = opened(&mut desk).await;
    desk.gets(ANNA, &reply_to_rewritten(&annas, "first", "It comes tomorrow.")).await;
    assert_eq!(to_jane(&desk).await[0].text().trim(), "It comes tomorrow.");
    desk.gets(JANE, &Draft::new("support@shop.example", "Re: Parcel [#1001]", "Which hour?")).await;
    let sent = desk.sends().await;
    let later = one_to(&sent, "anna@agents.example").clone();
    desk.gets(ANNA, &reply_to_rewritten(&later, "second", "At nine.")).await;
    let answers = to_jane(&desk).await;
    assert_eq!(answers[0].text().trim(), "At nine.");
    let entries = desk.case().await.entries;
    let last_of_janes = entries.iter().rev().find(|(_, e)| e.direction.word() == "inbound").map(|(id, _)| *id);
    assert_eq!(entries.last().and_then(|(_, e)| e.answers), last_of_janes, "the mail that the second relay carried");
    // an In-Reply-To alone that nobody knows, where References name our mail
    let odd = later.reply("Or at ten.").without("In-Reply-To").field("In-Reply-To", "<odd@relay.agents.example>");
    desk.gets(ANNA, &odd).await;
    assert_eq!(to_jane(&desk).await[0].text().trim(), "Or at ten.");
}

#[tokio::test]
async fn r40_ids_that_we_never_saw_alone_are_no_answer() {
    let mut desk = Desk::new().await;
    let (annas, bobs) = opened(&mut desk).await;
    let stable = annas.field("References");
    let forged = stable.replace("<a", "<a7");
    for (what, references) in [
        ("a foreign id", "<one@elsewhere.example>".to_owned()),
        ("two foreign ids behind ours", format!("{stable} <one@elsewhere.example> <two@elsewhere.example>")),
        ("Bob's relay, with another id", format!("{} {} <one@elsewhere.example>", stable, bobs.message_id())),
        ("a mail to Bob as well, behind ours", format!("{stable} {}", annas.message_id())),
        ("one who got our mail from Anna and answered her, behind ours", format!("{stable} {}", annas.message_id())),
        ("a forged stable id", format!("{forged} <one@elsewhere.example>")),
    ] {
        let draft = annas.reply("Who reads this?").without("In-Reply-To").without("References");
        let draft = if what.contains("Bob as well") { draft.field("Cc", "bob@agents.example") } else { draft };
        let draft = if what.contains("from Anna") { draft.field("Cc", "friend@elsewhere.example") } else { draft };
        let draft = draft.field("In-Reply-To", "<one@elsewhere.example>").field("References", &references);
        desk.gets(ANNA, &draft).await;
        assert!(to_jane(&desk).await.is_empty(), "{what}");
    }
}

#[tokio::test]
async fn r48_what_a_rewritten_relay_did_not_show_was_not_seen() {
    let mut desk = Desk::new().await;
    let (annas, bobs) = opened(&mut desk).await;
    desk.gets(BOB, &bobs.reply("It was lost, sorry.")).await;
    desk.sends().await;
    desk.gets(ANNA, &reply_to_rewritten(&annas, "first", "It comes tomorrow.")).await;
    let sent = desk.sends().await;
    assert!(to(&sent, "jane@customer.example").is_empty(), "Anna had not seen Bob's answer");
    assert!(one_to(&sent, "anna@agents.example").text().contains("It was lost, sorry."));
}

#[tokio::test]
async fn r40_where_several_people_may_be_meant_a_rewritten_id_sends_nothing() {
    let mut desk = Desk::new().await;
    let (annas, _) = opened(&mut desk).await;
    let janes = annas.reply("#close\nDone.");
    desk.gets(ANNA, &janes).await;
    let answer = to_jane(&desk).await.remove(0);
    desk.gets("Max <max@other.example>", &answer.reply("I am her neighbour.")).await;
    let sent = desk.sends().await;
    let relay = one_to(&sent, "anna@agents.example").clone();
    desk.gets(ANNA, &reply_to_rewritten(&relay, "max", "Who are you?")).await;
    let sent = desk.sends().await;
    assert!(sent.iter().all(|s| s.recipient == "anna@agents.example"), "nobody knows who Max is: {sent:?}");
    desk.gets(ANNA, &reply_to_rewritten(&annas, "jane", "It was at your neighbour's.")).await;
    let sent = desk.sends().await;
    let back = one_to(&sent, "anna@agents.example").clone();
    assert!(back.text().contains("would go to Jane Doe <jane@customer.example>"), "{}", back.text());
    desk.gets(ANNA, &back.reply("#send")).await;
    assert_eq!(to_jane(&desk).await[0].text().trim(), "It was at your neighbour's.");
}

#[tokio::test]
async fn r40_a_verdict_where_one_is_required() {
    let mut desk = Desk::trusting().await;
    let (annas, _) = opened(&mut desk).await;
    desk.gets(ANNA, &annas.reply("Unproved.")).await;
    assert!(to_jane(&desk).await.is_empty());
    desk.gets_passed(ANNA, &annas.reply("Proved.")).await;
    assert_eq!(to_jane(&desk).await.len(), 1);
}

#[tokio::test]
async fn r40_what_is_held_comes_back_with_the_reason() {
    let mut desk = Desk::new().await;
    let (annas, _) = opened(&mut desk).await;
    desk.gets(ANNA, &Draft::new(&annas.reply_to(), "Hello", "Without an In-Reply-To.")).await;
    let sent = desk.sends().await;
    let told = one_to(&sent, "anna@agents.example");
    assert!(told.text().contains("Without an In-Reply-To."), "{}", told.text());
    assert_eq!(told.reply_to(), annas.reply_to());
}

#[tokio::test]
async fn r42_a_note_stays_inside_and_is_confirmed() {
    let mut desk = Desk::new().await;
    let (annas, _) = opened(&mut desk).await;
    desk.gets(ANNA, &annas.reply("#note\nShe is a friend of the boss.")).await;
    let sent = desk.sends().await;
    assert!(to(&sent, "jane@customer.example").is_empty());
    let confirmed = to(&sent, "anna@agents.example");
    assert!(confirmed.iter().any(|l| l.text().to_lowercase().contains("nothing was sent to")), "{confirmed:?}");
    let case = desk.case().await;
    assert!(case.entries.iter().any(|(_, e)| e.direction.word() == "note" && e.text.contains("friend of the boss")));
}

#[tokio::test]
async fn r42_a_signature_is_no_text_beside_a_command() {
    let mut desk = Desk::new().await;
    let (annas, _) = opened(&mut desk).await;
    desk.gets(ANNA, &annas.reply("#close\n\n-- \nAnna Agentson\nSent from my phone")).await;
    assert!(to_jane(&desk).await.is_empty(), "a signature alone is nothing to send");
    assert_eq!(desk.case().await.listed.case.status.word(), "closed");
}

#[tokio::test]
async fn r43_nothing_of_ours_or_of_others_leaves() {
    let mut desk = Desk::new().await;
    let (annas, _) = opened(&mut desk).await;
    let quoted: String = annas.text().lines().map(|l| format!("> {l}\n")).collect();
    let reply = annas.reply("").without("Content-Type");
    let interleaved = quoted.replace("> I wait since Monday.\n", "> I wait since Monday.\n\nThe strike is over.\n\n");
    let draft = Draft { body: format!("Hello Jane,\n\n{interleaved}\nRegards, Anna\n"), ..reply };
    desk.gets(ANNA, &draft).await;
    let answers = to_jane(&desk).await;
    let text = answers[0].text();
    for own in ["Hello Jane,", "The strike is over.", "Regards, Anna", "> I wait since Monday."] {
        assert!(text.contains(own), "{own} is missing:\n{text}");
    }
    for ours in ["Your reply goes", "below this line", "Owner:", "#note", "support+a"] {
        assert!(!text.contains(ours), "{ours} leaves:\n{text}");
    }
}

#[tokio::test]
async fn r45_the_subject_is_the_cases() {
    let mut desk = Desk::new().await;
    let (annas, _) = opened(&mut desk).await;
    desk.gets(ANNA, &annas.reply("Tomorrow.").subject("Re: [#1001] INTERNAL do not tell")).await;
    assert_eq!(to_jane(&desk).await[0].subject(), "Re: Parcel");
}

#[tokio::test]
async fn r46_the_mail_is_built_new_from_an_allow_list() {
    let mut desk = Desk::new().await;
    let (annas, _) = opened(&mut desk).await;
    let draft = annas
        .reply("Tomorrow.")
        .field("X-Mailer", "SecretMail")
        .field("X-Originating-IP", "10.1.2.3")
        .field("Received", "from laptop.internal by mx")
        .field("Organization", "Backroom")
        .field("Disposition-Notification-To", "anna@agents.example")
        .field("Bcc", "boss@agents.example");
    desk.gets(ANNA, &draft).await;
    let answers = to_jane(&desk).await;
    let names: Vec<String> = answers[0].parsed().headers().iter().map(|h| h.name().to_owned()).collect();
    for name in &names {
        let allowed = [
            "From",
            "To",
            "Reply-To",
            "Subject",
            "Date",
            "Message-ID",
            "In-Reply-To",
            "References",
            "X-Yesreply-Case",
            "MIME-Version",
            "Content-Type",
            "Content-Transfer-Encoding",
            "Thread-Topic",
            "Thread-Index",
        ];
        assert!(allowed.iter().any(|a| a.eq_ignore_ascii_case(name)), "{name} leaves: {names:?}");
    }
}

#[tokio::test]
async fn r46_the_leak_guard_holds_what_must_not_leave() {
    for secret in ["Write to anna@agents.example.", "Write to anna%40agents.example.", "Bob is bob@agents.example."] {
        let mut desk = Desk::new().await;
        let (annas, _) = opened(&mut desk).await;
        desk.gets(ANNA, &annas.reply(&format!("Hello.\n\n{secret}\n\nMore."))).await;
        let sent = desk.sends().await;
        assert!(to(&sent, "jane@customer.example").is_empty(), "{secret}: {sent:#?}");
        assert!(one_to(&sent, "anna@agents.example").text().contains("More."), "the agent is asked");
    }
    let mut desk = Desk::new().await;
    let (annas, _) = opened(&mut desk).await;
    desk.gets(ANNA, &annas.reply(&format!("Use {} please.", annas.reply_to()))).await;
    assert!(to_jane(&desk).await.is_empty(), "an agent's token");
}

#[tokio::test]
async fn r46_a_long_subject_and_a_long_name_hold_nothing() {
    let mut desk = Desk::new().await;
    let jane = "Jane Maria van der Berg geb. Smith, Accounting Department <jane@mail.office.customer.example>";
    let subject = "The blue parcel that I have been waiting for since Monday morning at nine";
    desk.gets(jane, &Draft::new("support@shop.example", subject, "Where is it?")).await;
    let sent = desk.sends().await;
    let relay = one_to(&sent, "anna@agents.example").clone();
    desk.gets(ANNA, &relay.reply("It comes tomorrow.")).await;
    assert!(to(&desk.sends().await, "jane@mail.office.customer.example").iter().any(|l| l.text().contains("tomorrow")));
}

#[tokio::test]
async fn r46_a_signature_loses_the_private_address() {
    let mut desk = Desk::new().await;
    let (annas, _) = opened(&mut desk).await;
    desk.gets(ANNA, &annas.reply("Tomorrow.\n\nRegards\nAnna Agentson | anna@agents.example")).await;
    let sent = desk.sends().await;
    let answer = one_to(&sent, "jane@customer.example");
    assert!(answer.text().lines().any(|l| l == "Anna Agentson"), "{}", answer.text());
    assert!(!answer.everything().contains("anna@agents"), "{}", answer.text());
    assert!(answer.text().contains("Tomorrow."));
    let told = |sent: &[crate::desk::Sent]| {
        to(sent, "anna@agents.example").iter().filter(|l| l.text().contains("Your private address")).count()
    };
    assert_eq!(told(&sent), 1);
    desk.gets("Max <max@other.example>", &Draft::new("support@shop.example", "Lamp", "Is it bright?")).await;
    let sent = desk.sends().await;
    let lamp = one_to(&sent, "anna@agents.example").clone();
    desk.gets(ANNA, &lamp.reply("Yes.\n\nRegards\nAnna Agentson | anna@agents.example")).await;
    let sent = desk.sends().await;
    assert!(!one_to(&sent, "max@other.example").everything().contains("anna@agents"));
    assert_eq!(told(&sent), 0, "once, not once a case");
}

#[tokio::test]
async fn r41_an_unknown_command_stops_the_whole_reply() {
    let mut desk = Desk::new().await;
    let (annas, _) = opened(&mut desk).await;
    desk.gets(ANNA, &annas.reply("#clsoe\nGoodbye Jane.")).await;
    let sent = desk.sends().await;
    assert!(to(&sent, "jane@customer.example").is_empty());
    let told = one_to(&sent, "anna@agents.example").text();
    assert!(told.contains("Goodbye Jane.") && told.contains("#close"), "text, reason and the nearest word:\n{told}");
    desk.gets(ANNA, &annas.reply("##1 is a number.\n\nYour order is #77.")).await;
    let answers = to_jane(&desk).await;
    assert!(
        answers[0].text().contains("#1 is a number.") && answers[0].text().contains("#77"),
        "{}",
        answers[0].text()
    );
}

#[tokio::test]
async fn a_short_answer_is_an_answer() {
    for words in ["Yes.", "No", "Ok!", "Tomorrow 9:00", "42"] {
        let mut desk = Desk::new().await;
        desk.gets(JANE, &Draft::new("support@shop.example", "Booted", "Is anybody there?")).await;
        let sent = desk.sends().await;
        let relay = one_to(&sent, "anna@agents.example").clone();
        desk.gets(ANNA, &relay.reply(words)).await;
        let answers = to_jane(&desk).await;
        assert_eq!(answers.len(), 1, "{words}: {:?}", desk.case().await.log);
        assert_eq!(answers[0].text().trim(), words);
    }
}
