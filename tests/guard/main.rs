//! The leak guard against everything that mail clients do with a relay (R46).
//!
//! Random desks, random cases, random clients: whatever leaves to a customer is searched by eyes of the test's own for
//! what only agents may know. `YESREPLY_GUARD_MAILS` says how many mails must leave (default: a sample), and
//! `YESREPLY_GUARD_SEED` where the dice begin; both are printed, and the same seed gives the same mails.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test that cannot go on fails, with the reason"
)]

mod clients;
#[path = "../database/mod.rs"]
mod database;
#[expect(dead_code, reason = "other tests use what this one does not")]
#[path = "../rules/desk.rs"]
mod desk;
mod dice;
mod eyes;
#[expect(dead_code, reason = "other tests use what this one does not")]
#[path = "../letter/mod.rs"]
mod letter;

use std::collections::BTreeMap;

use desk::{Desk, Sent, to};
use dice::Dice;
use eyes::Secrets;
use letter::{Draft, Letter};

const ANNA: &str = "Anna Agentson <anna@agents.example>";
const BOB: &str = "Bob <bob@agents.example>";
const SEED: u64 = 20_261_125;
/// Mails to customers in the sample of `tests/run`.
const SAMPLE: usize = 600;
/// Cases on one desk; then a new one, so that the store stays small.
const CASES: usize = 60;

/// What became of the answers, by client.
#[derive(Debug, Default, Clone, Copy)]
struct Fate {
    sent: usize,
    held: usize,
}

#[derive(Default)]
struct Course {
    left: usize,
    fates: BTreeMap<&'static str, Fate>,
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().expect("a number"))
}

#[tokio::test]
async fn r46_whatever_clients_do_nothing_internal_leaves() {
    let seed = number("YESREPLY_GUARD_SEED", SEED);
    let wanted = usize::try_from(number("YESREPLY_GUARD_MAILS", SAMPLE as u64)).expect("a size");
    eprintln!("YESREPLY_GUARD_SEED={seed} YESREPLY_GUARD_MAILS={wanted}");
    let mut course = Course::default();
    let mut round = 0u64;
    while course.left < wanted {
        let mut desk = Desk::in_memory("[limits]\nack_per_domain = \"off\"\nack_total = \"off\"\n").await;
        for _ in 0..CASES {
            let mut dice = Dice::new(seed.wrapping_add(round));
            one_case(&mut desk, &mut dice, seed.wrapping_add(round), &mut course).await;
            round += 1;
        }
    }
    let (mut sent, mut held) = (0, 0);
    for (client, fate) in &course.fates {
        eprintln!("{client:<28} sent {:>6}, held {:>6}", fate.sent, fate.held);
        if clients::is_ordinary(client) {
            sent += fate.sent;
            held += fate.held;
        }
    }
    eprintln!("{} mails left; of ordinary replies {sent} were sent, {held} held", course.left);
    // what an ordinary client writes is not held needlessly
    assert!(held * 100 <= (sent + held), "{held} of {} ordinary replies were held", sent + held);
}

/// The property above can fail: with the guard open and the quotes uncut, it does; with the guard alone, it does not.
#[test]
#[cfg(feature = "failpoints")]
fn the_property_notices_a_leak_and_the_guard_alone_stops_it() {
    let run = |fault: &str| {
        let done = std::process::Command::new(std::env::current_exe().expect("this program"))
            .args(["--exact", "r46_whatever_clients_do_nothing_internal_leaves", "--nocapture"])
            .envs([("YESREPLY_FAULT", fault), ("YESREPLY_GUARD_MAILS", "120")])
            .output()
            .expect("run this program");
        String::from_utf8_lossy(&[done.stdout, done.stderr].concat()).into_owned()
    };
    let open = run(&["uncut", "open_guard"].join("+"));
    assert!(open.contains("leaks to"), "nothing was noticed:\n{open}");
    let guarded = run("uncut");
    assert!(!guarded.contains("leaks to"), "the guard alone does not stop it:\n{guarded}");
}

async fn one_case(desk: &mut Desk, dice: &mut Dice, seed: u64, course: &mut Course) {
    let mut secrets = Secrets::default();
    let customer = format!("Jane Doe <jane{seed:x}@customer.example>");
    let address = format!("jane{seed:x}@customer.example");
    let question = clients::sentence(dice, 3);
    desk.gets(&customer, &clients::letter(dice, "support@shop.example", &question)).await;
    let mut sent = desk.sends().await;
    look(&sent, &address, &secrets, seed, "acknowledgement", course);
    let (mut annas, bobs) = (latest(&sent, "anna@agents.example"), latest(&sent, "bob@agents.example"));
    secrets.relay(&annas);
    secrets.relay(&bobs);
    if dice.one_in(2) {
        let note = secrets.note(dice);
        desk.gets(BOB, &bobs.reply(&format!("#note\n{note}"))).await;
        desk.sends().await;
    }
    if dice.one_in(4) {
        // a stranger got hold of the customer's address in the case
        let acknowledged = to(&sent, &address);
        if let Some(theirs) = acknowledged.first() {
            let words = secrets.words_of_another(dice);
            desk.gets("Eve <eve@elsewhere.example>", &theirs.reply(&words)).await;
            desk.sends().await;
        }
    }
    for turn in 0..=dice.below(2) {
        let answer = clients::sentence(dice, 3);
        let (client, draft) = clients::reply(dice, &annas, &answer, &secrets);
        desk.gets(ANNA, &draft).await;
        sent = desk.sends().await;
        let left = look(&sent, &address, &secrets, seed, client, course);
        let fate = course.fates.entry(client).or_default();
        if left == 0 {
            fate.held += 1;
            break;
        }
        fate.sent += 1;
        let answered = to(&sent, &address)[0].clone();
        if turn == 0 {
            desk.gets(&customer, &answered.reply(&clients::sentence(dice, 2))).await;
            sent = desk.sends().await;
            if to(&sent, "anna@agents.example").is_empty() {
                break;
            }
            annas = latest(&sent, "anna@agents.example");
            secrets.relay(&annas);
        }
    }
}

fn latest(sent: &[Sent], address: &str) -> Letter {
    (*to(sent, address).last().expect("a relay")).clone()
}

/// Searches all that went to the customer; returns how many mails that were.
fn look(sent: &[Sent], address: &str, secrets: &Secrets, seed: u64, client: &str, course: &mut Course) -> usize {
    let theirs = to(sent, address);
    for letter in &theirs {
        let leaks = secrets.leaks(letter);
        assert!(leaks.is_empty(), "{client} (seed {seed}) leaks to {address}: {leaks:?}\n{letter:?}");
    }
    let other = sent.iter().find(|s| !s.recipient.ends_with("@agents.example") && s.recipient != address);
    assert!(other.is_none(), "{client} (seed {seed}) leaks to somebody else: {other:?}");
    course.left += theirs.len();
    theirs.len()
}

/// The eyes see: each kind of secret, in each disguise that they are made for.
#[test]
fn the_eyes_see() {
    let mut dice = Dice::new(1);
    let mut secrets = Secrets::default();
    let note = secrets.note(&mut dice);
    for body in [
        format!("Hello\n> {note}"),
        format!("Hello\n> {}", note.replace(' ', "\n> ")),
        "write to ANNA@agents.example".to_owned(),
        "=== yesreply: below this line nothing is sent to the customer ===".to_owned(),
        "Owner: nobody; the first to answer owns it".to_owned(),
    ] {
        let draft = Draft::new("jane@customer.example", "x", &body);
        let letter = Letter { raw: draft.bytes("support@shop.example", "1@x.example").into_bytes(), path: "".into() };
        assert!(!secrets.leaks(&letter).is_empty(), "not seen: {body}");
    }
}
