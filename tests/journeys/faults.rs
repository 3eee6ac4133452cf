//! Kills at random moments.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::desk::Desk;
use crate::people::{Person, hand_over, unique};

/// So many mails of one customer are no abuse here.
pub const NO_LIMITS: &str = "[limits]\ncases_per_address = \"off\"\nrelays_per_agent = \"off\"\nack_per_address = \"off\"\nack_per_domain = \"off\"\nack_total = \"off\"\n";

/// A repeatable sequence of numbers (xorshift64*, Vigna 2016).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) % below
    }
}

/// Mail arrives while the daemon is killed again and again; in the end nothing is lost and nothing happened twice.
fn storm(name: &str, mails: usize, kills: u64, seed: u64) {
    let Some(desk) = Desk::new(name) else { return };
    storm_on(desk.with(NO_LIMITS), mails, kills, seed)
}

fn storm_on(mut desk: Desk, mails: usize, kills: u64, seed: u64) {
    let begun = Instant::now();
    let mut dice = Dice(seed.max(1));
    desk.start();
    let (jane, anna) = (desk.customer("Jane"), desk.agent("anna"));
    let feeder = {
        let (port, to, from, sender) = (desk.host.port("smtp"), desk.address(), jane.from(), jane.address.clone());
        std::thread::spawn(move || {
            for number in 0..mails {
                let mail = format!(
                    "From: {from}\r\nTo: {to}\r\nSubject: storm {number}\r\nMessage-ID: <{}@storm.example>\r\n\
                     Date: Mon, 5 Jan 2026 10:00:00 +0000\r\n\r\nWords of mail {number}.\r\n",
                    unique()
                );
                hand_over(port, &sender, &[&to], mail.as_bytes());
            }
        })
    };
    for _ in 0..kills {
        std::thread::sleep(Duration::from_millis(50 + dice.roll(450)));
        desk.kill();
        desk.launch();
    }
    feeder.join().expect("all mails");
    desk.patience(Duration::from_secs(60 + mails as u64 / 5));
    desk.wait_for("all cases", |desk| desk.cases().len() >= mails);
    desk.quiet();
    let mut subjects: BTreeMap<String, usize> = BTreeMap::new();
    for case in desk.cases() {
        *subjects.entry(case["subject"].to_string()).or_default() += 1;
    }
    assert_eq!(subjects.len(), mails, "seed {seed}: lost");
    assert!(subjects.values().all(|n| *n == 1), "seed {seed}: a case twice: {subjects:?}");
    let mut seconds = 0;
    for person in [&jane, &anna] {
        // the relay has them all; its own delivery takes a moment
        desk.wait_for("every mail", |_| copies(person).len() >= mails);
        let ids = copies(person);
        assert_eq!(ids.len(), mails, "seed {seed}: {} must have one mail for each case", person.address);
        assert!(ids.values().all(|copies| copies.windows(2).all(|w| w[0] == w[1])), "a second copy has the same bytes");
        seconds += ids.values().map(|copies| copies.len() - 1).sum::<usize>();
    }
    // a kill falls at most on as many mails as there are connections
    let most = usize::try_from(kills).unwrap_or_default() * 4;
    assert!(seconds <= most, "seed {seed}: {seconds} second copies after {kills} kills");
    assert_eq!(desk.audit()["stored"].as_u64(), Some(mails as u64));
    desk.stop();
    let line = format!(
        "storm {}: seed {seed}, {mails} mails, {kills} kills in {} s: 0 lost, 0 twice, {seconds} second copies in the window\n",
        desk.domain,
        begun.elapsed().as_secs()
    );
    std::io::Write::write_all(&mut std::io::stderr(), line.as_bytes()).expect("write");
}

/// What a person got, by Message-ID, as far as we wrote it.
fn copies(person: &Person) -> BTreeMap<String, Vec<Vec<u8>>> {
    let mut ids: BTreeMap<String, Vec<Vec<u8>>> = BTreeMap::new();
    for letter in person.mailbox() {
        let start = letter.raw.windows(6).position(|w| w == b"From: ").unwrap_or_default();
        ids.entry(letter.message_id()).or_default().push(letter.raw[start..].to_vec());
    }
    ids
}

/// `YESREPLY_STORM=SEED,MAILS,KILLS` replays one, or runs a larger one by hand.
#[test]
fn a_seeded_storm_of_kills() {
    let own = std::env::var("YESREPLY_STORM").unwrap_or_default();
    let numbers: Vec<u64> = own.split(',').filter_map(|n| n.trim().parse().ok()).collect();
    let seed = numbers.first().copied().unwrap_or_else(|| u64::from_le_bytes(yesreply::clock::random::<8>()) >> 32);
    let mails = numbers.get(1).and_then(|n| usize::try_from(*n).ok()).unwrap_or(300);
    storm("storm", mails, numbers.get(2).copied().unwrap_or(20), seed);
}

#[test]
fn sigkill_in_the_middle_of_200_messages() {
    storm("sigkill", 200, 3, 7);
}

/// Every sync takes 5 ms longer: what is stored is stored, only later.
#[test]
fn a_slow_disk_in_a_storm() {
    let Some(desk) = crate::disk::desk("slow_disk", &[("DISK_DELAY_MS", "5")]) else { return };
    storm_on(desk.with(NO_LIMITS), 200, 5, 11);
}
