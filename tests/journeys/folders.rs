//! The shared mailbox as a desk (R94): people drag mails about with a client of their own beside the daemon.

use std::time::Duration;

use crate::client::Client;
use crate::desk::Desk;
use crate::people::{Draft, Letter, unique};
use crate::stack::Host;

const ON: &str = "[desk]\nfolders = true\n[intake]\npoll = \"1s\"\n";
const OFF: &str = "[intake]\npoll = \"1s\"\n";
const WORDS: &str = "It was due on Monday.";

fn desk(story: &str) -> Option<Desk> {
    Some(Desk::new(story)?.with(ON))
}

fn client(desk: &Desk) -> Client {
    Client::login(&desk.host, &desk.address())
}

fn cases(folder: &str) -> String {
    format!("Cases.{folder}")
}

/// How many mails lie in each of the desk's folders.
fn lie(client: &mut Client) -> Vec<(&'static str, usize)> {
    let all = ["Unowned", "anna", "bob", "Waiting", "Closed"];
    all.into_iter().map(|name| (name, client.mails(&cases(name)).len())).filter(|(_, n)| *n > 0).collect()
}

/// Waits until so many mails lie in this folder, and none in the others.
fn settles(desk: &Desk, client: &mut Client, folder: &'static str, mails: usize) {
    desk.wait_for(&format!("{mails} mails in {folder}"), |_| lie(client) == [(folder, mails)]);
}

fn stands(desk: &Desk, status: &str, owner: Option<&str>) {
    desk.wait_for(&format!("a case that is {status}, of {owner:?}"), |desk| {
        let case = desk.case("1001");
        case["status"] == status && case["owner"].as_str() == owner
    });
}

fn events(desk: &Desk, kind: &str) -> Vec<String> {
    let case = desk.case("1001");
    let all = case["events"].as_array().expect("events").iter();
    all.filter(|e| e["kind"] == kind).map(|e| format!("{} {}", e["rule"].as_str().unwrap_or(""), e["detail"])).collect()
}

/// Jane's mail and its acknowledgement lie in `Unowned`.
fn asked(desk: &Desk, client: &mut Client) {
    desk.customer("Jane").writes(&desk.address(), "Where is my parcel?", WORDS);
    settles(desk, client, "Unowned", 2);
}

#[test]
fn a_case_goes_where_its_mail_is_moved() {
    let Some(mut desk) = desk("a_case_goes_where") else { return };
    desk.start();
    let (anna, bob) = (desk.agent("anna"), desk.agent("bob"));
    let mut client = client(&desk);
    asked(&desk, &mut client);
    let relay = bob.gets(WORDS);
    let copy = client.mails(&cases("Unowned")).into_iter().find(|(_, l)| l.text().contains(WORDS)).expect("a copy").1;
    assert_eq!(copy.field("To"), desk.address(), "the mail as it came");
    assert!(client.says("LSUB \"\" \"Cases*\"").len() >= 5, "clients show them");

    client.moves(&cases("Unowned"), WORDS, &cases("anna"));
    stands(&desk, "open", Some("anna"));
    settles(&desk, &mut client, "anna", 2);
    assert!(anna.gets("Somebody in the shared mailbox gave you this case").text().contains(WORDS));
    client.moves(&cases("anna"), WORDS, &cases("Waiting"));
    stands(&desk, "waiting", Some("anna"));
    settles(&desk, &mut client, "Waiting", 2);
    client.moves(&cases("Waiting"), WORDS, &cases("Closed"));
    stands(&desk, "closed", Some("anna"));
    settles(&desk, &mut client, "Closed", 2);
    client.moves(&cases("Closed"), WORDS, &cases("bob"));
    stands(&desk, "open", Some("bob"));
    settles(&desk, &mut client, "bob", 2);
    anna.gets("Bob's now: case #1001");
    client.moves(&cases("bob"), WORDS, &cases("Unowned"));
    stands(&desk, "open", None);
    settles(&desk, &mut client, "Unowned", 2);
    let moves = events(&desk, "moved");
    assert_eq!(moves.len(), 5, "{moves:?}");
    assert!(moves.iter().all(|m| m.starts_with("R94 ")), "{moves:?}");
    assert!(moves[0].contains("Cases.anna"), "{moves:?}");

    // and by mail, as ever
    bob.sends(&relay.reply("It comes tomorrow."));
    stands(&desk, "waiting", Some("bob"));
    settles(&desk, &mut client, "Waiting", 3);
    let answer = client.mails(&cases("Waiting")).into_iter().find(|(_, l)| l.text().contains("It comes tomorrow."));
    let answer = answer.expect("the answer").1;
    assert_eq!(answer.field("Reply-To"), "", "who answers it writes to the customer");
    bob.sends(&relay.reply("#note\nShe calls often."));
    desk.wait_for("the note", |_| client.mails(&cases("Waiting")).len() == 4);
    let jane = desk.customer("Jane");
    jane.sends(&jane.gets("It comes tomorrow.").reply("Thank you, but when?"));
    settles(&desk, &mut client, "bob", 5);
    assert_eq!(desk.audit()["stored"], 4, "the copies are no mail");
    desk.stop();
}

#[test]
fn what_people_do_to_copies_loses_and_doubles_nothing() {
    let Some(mut desk) = desk("what_people_do_to_copies") else { return };
    desk.start();
    let mut client = client(&desk);
    asked(&desk, &mut client);
    let marker = client.mails(&cases("Unowned"))[0].1.field("X-Yesreply-Entry");

    client.deletes(&cases("Unowned"), WORDS);
    settles(&desk, &mut client, "Unowned", 2);
    client.says("CREATE Cases.zoe");
    client.moves(&cases("Unowned"), WORDS, "Cases.zoe");
    settles(&desk, &mut client, "Unowned", 2);
    assert!(client.mails("Cases.zoe").is_empty());
    client.moves(&cases("Unowned"), WORDS, "INBOX");
    settles(&desk, &mut client, "Unowned", 2);
    desk.wait_for("the mail to leave INBOX", |_| client.mails("INBOX").len() == 1);
    let put_back = events(&desk, "put_back");
    assert!(put_back.len() == 2 && put_back[0].contains("Cases.zoe") && put_back[1].contains("INBOX"), "{put_back:?}");
    client.says("SELECT INBOX");
    client.says("DELETE Cases.Unowned");
    settles(&desk, &mut client, "Unowned", 2);

    client.copies(&cases("Unowned"), WORDS, "INBOX");
    client.copies(&cases("Unowned"), WORDS, "Junk");
    client.copies(&cases("Unowned"), WORDS, &cases("bob"));
    settles(&desk, &mut client, "Unowned", 2);
    stands(&desk, "new", None);
    assert!(events(&desk, "moved").is_empty());

    // somebody outside has got hold of a marker
    let forged =
        Draft::new(&desk.address(), "A mail of my own", "Words of a stranger.").field("X-Yesreply-Entry", &marker);
    desk.host.save(&desk.address(), "INBOX", &forged.bytes("stranger@elsewhere.example", &unique()));
    desk.wait_for("the stranger's case", |desk| desk.cases().len() == 2);
    desk.wait_for("the stranger's copy", |_| client.mails(&cases("Unowned")).len() >= 3);
    let audit = desk.audit();
    let rules = audit["rules"].as_array().expect("rules");
    let ignored: i64 = rules.iter().filter(|r| r["rule"] == "R94").map(|r| r["count"].as_i64().unwrap_or(0)).sum();
    assert!((2..=3).contains(&ignored), "each copy that was read where mail comes in: {audit}");
    assert_eq!(client.mails("INBOX").len(), 3, "what people copied there stays: {audit}");
    desk.stop();
}

#[test]
fn a_client_that_copies_now_and_removes_later_moves() {
    let Some(mut desk) = desk("copies_now_removes_later") else { return };
    desk.start();
    let mut client = client(&desk);
    asked(&desk, &mut client);
    client.copies(&cases("Unowned"), WORDS, &cases("anna"));
    std::thread::sleep(Duration::from_secs(4));
    stands(&desk, "new", None);
    client.deletes(&cases("Unowned"), WORDS);
    stands(&desk, "open", Some("anna"));
    settles(&desk, &mut client, "anna", 2);
    desk.stop();
}

#[test]
fn a_mail_is_closed_only_by_who_could_have_seen_the_newest() {
    let Some(mut desk) = desk("closed_unseen") else { return };
    desk.start();
    let mut client = client(&desk);
    asked(&desk, &mut client);
    desk.stop();
    // while the daemon is away Jane writes again, and somebody closes the case
    let jane = desk.customer("Jane");
    let ack = jane.gets("[#1001]");
    jane.sends(&ack.reply("Words of hers: it is urgent!"));
    client.moves(&cases("Unowned"), WORDS, &cases("Closed"));
    desk.start();
    desk.wait_for("her mail", |_| client.mails(&cases("Unowned")).len() == 3);
    settles(&desk, &mut client, "Unowned", 3);
    assert_ne!(desk.case("1001")["status"], "closed");
    client.moves(&cases("Unowned"), "it is urgent!", &cases("Closed"));
    stands(&desk, "closed", None);
    desk.stop();
}

#[test]
fn the_folders_come_and_are_left_alone() {
    let Some(desk) = Desk::new("the_folders_come") else { return };
    let mut desk = desk.with(OFF);
    desk.start();
    let jane = desk.customer("Jane");
    jane.writes(&desk.address(), "Where is my parcel?", WORDS);
    desk.wait_for("her case", |desk| desk.cases().len() == 1);
    desk.quiet();
    let mut client = client(&desk);
    assert!(lie(&mut client).is_empty());
    desk.stop();
    desk.instead(ON);
    desk.start();
    settles(&desk, &mut client, "Unowned", 2);
    desk.stop();
    client.moves(&cases("Unowned"), WORDS, &cases("anna"));
    desk.start();
    stands(&desk, "open", Some("anna"));
    settles(&desk, &mut client, "anna", 2);
    desk.stop();
    desk.instead(OFF);
    desk.start();
    client.moves(&cases("anna"), WORDS, &cases("bob"));
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(lie(&mut client), [("anna", 1), ("bob", 1)], "nobody looks");
    desk.stop();
    desk.instead(ON);
    desk.start();
    settles(&desk, &mut client, "anna", 2);
    stands(&desk, "open", Some("anna"));
    desk.stop();
}

#[cfg(feature = "failpoints")]
#[test]
fn a_crash_between_a_step_and_its_record() {
    for (place, visit) in [("folders.going", 1), ("folders.appended", 1), ("folders.appended", 2), ("folders.moved", 1)]
    {
        let Some(mut desk) = desk(&format!("crash-{}-{visit}", place.replace('.', "-"))) else { return };
        desk.start();
        let mut client = client(&desk);
        if place == "folders.moved" {
            asked(&desk, &mut client);
            desk.arm(place, visit);
            client.moves(&cases("Unowned"), WORDS, &cases("anna"));
        } else {
            desk.arm(place, visit);
            desk.customer("Jane").writes(&desk.address(), "Where is my parcel?", WORDS);
        }
        desk.dies();
        desk.start();
        let folder = if place == "folders.moved" { "anna" } else { "Unowned" };
        settles(&desk, &mut client, folder, 2);
        std::thread::sleep(Duration::from_secs(3));
        assert_eq!(lie(&mut client), [(folder, 2)], "{place}");
        let orders = events(&desk, "moved").len();
        assert_eq!(orders, usize::from(folder == "anna"), "{place}: a crash is no order, and an order is one");
        desk.stop();
    }
}

#[test]
fn people_move_while_the_daemon_works() {
    let Some(mut desk) = desk("people_move_meanwhile") else { return };
    desk.start();
    let jane = desk.customer("Jane");
    for number in 0..12 {
        jane.writes(&desk.address(), &format!("Parcel {number}"), &format!("Words of parcel {number}."));
    }
    let mut client = client(&desk);
    desk.wait_for("all of them", |_| {
        let mails = client.mails(&cases("Unowned"));
        (0..12).all(|n| mails.iter().any(|(_, l)| l.text().contains(&format!("Words of parcel {n}."))))
    });
    for number in 0..12 {
        let (words, to) = (format!("Words of parcel {number}."), if number % 2 == 0 { "anna" } else { "Closed" });
        let there = |l: &(u32, Letter)| l.1.text().contains(&words);
        let uid = client.mails(&cases("Unowned")).iter().find(|l| there(l)).expect("it is there").0;
        client.says(&format!("UID MOVE {uid} {}", cases(to)));
    }
    desk.wait_for("what they ordered", |desk| {
        let cases = desk.cases();
        cases.iter().filter(|c| c["owner"] == "anna" && c["status"] == "open").count() == 6
            && cases.iter().filter(|c| c["status"] == "closed").count() == 6
    });
    let expected: usize = desk.cases().iter().map(|c| c["messages"].as_u64().expect("messages") as usize).sum();
    desk.wait_for("each copy in its folder", |_| {
        let lie = lie(&mut client);
        lie.iter().all(|(name, _)| ["anna", "Closed"].contains(name))
            && lie.iter().map(|(_, n)| n).sum::<usize>() == expected
    });
    desk.stop();
}

#[test]
fn a_server_that_keeps_all_folders_below_inbox() {
    let story = "folders_below_inbox";
    if Host::shared(story).is_none() {
        return;
    }
    let folder = tempfile::Builder::new().prefix("yesreply-host").tempdir().expect("a folder");
    let done = std::process::Command::new("chmod").arg("755").arg(folder.path()).status().expect("chmod");
    assert!(done.success());
    let host = Host::private(&folder.path().join("host"));
    let path = host.folder.join("dovecot/dovecot.conf");
    let config = std::fs::read_to_string(&path).expect("its config");
    std::fs::write(&path, config.replace("inbox = yes", "inbox = yes\n  prefix = INBOX.")).expect("write");
    host.stop_dovecot();
    host.start_dovecot();
    let mut desk = Desk::on(host, story).with(ON);
    desk.start();
    let mut client = client(&desk);
    desk.customer("Jane").writes(&desk.address(), "Where is my parcel?", WORDS);
    desk.wait_for("her mail", |_| client.mails("INBOX.Cases.Unowned").len() == 2);
    client.moves("INBOX.Cases.Unowned", WORDS, "INBOX.Cases.bob");
    stands(&desk, "open", Some("bob"));
    desk.wait_for("the other one", |_| client.mails("INBOX.Cases.bob").len() == 2);
    desk.stop();
}

#[test]
fn trouble_with_the_folders_is_shown_and_stops_no_mail() {
    let Some(mut desk) = desk("trouble_with_the_folders") else { return };
    let maildir = desk.host.maildir(&desk.address());
    // the mailbox is made, and its folders cannot be
    assert!(client(&desk).mails("INBOX").is_empty());
    let stones = [".Cases.Unowned", ".INBOX.Cases.Unowned"].map(|name| maildir.join(name));
    for stone in &stones {
        std::fs::write(stone, "").expect("a file in the way");
    }
    desk.start();
    desk.customer("Jane").writes(&desk.address(), "Where is my parcel?", WORDS);
    desk.agent("anna").gets(WORDS);
    let state = |desk: &Desk| desk.json(&["mailbox", "list"])[0]["folders"]["state"].clone();
    desk.wait_for("the trouble", |desk| state(desk) == "failing");
    assert_eq!(desk.json(&["mailbox", "list"])[0]["imap"]["state"], "ok");
    for stone in &stones {
        std::fs::remove_file(stone).expect("take it away");
    }
    let mut client = client(&desk);
    settles(&desk, &mut client, "Unowned", 2);
    assert_eq!(state(&desk), "ok");
    desk.stop();
}
