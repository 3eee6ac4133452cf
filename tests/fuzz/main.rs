//! The fuzz targets on stable Rust: the seeds, every finding ever made, then a seeded mutator, as often on a
//! slow machine as on a fast one.
//!
//! `YESREPLY_FUZZ_SEED=n` makes another run than the usual one, `YESREPLY_FUZZ_RUNS=n` sets how often each target runs,
//! `YESREPLY_FUZZ_TARGET=name` chooses one. An input that fails is written below the target folder of cargo; kept
//! under `tests/data/findings/TARGET/`, it is replayed for ever.
//! With libFuzzer: `RUSTC_BOOTSTRAP=1 cargo fuzz run TARGET` in the folder `fuzz/`.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test that cannot go on fails, with the reason"
)]

mod targets;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::Duration;

use targets::{ALL, Target};

/// Of the usual run: what is found by chance is found by hand, with other seeds, and kept.
const SEED: u64 = 20_261_125;
/// Of each target in the usual run.
const RUNS: u64 = 3_000;

/// Octets of a mutated input.
const INPUT_BYTES_MAX: usize = 16 * 1024;

/// What mail is made of: put in where chance says so.
const WORDS: [&[u8]; 44] = [
    b"\r\n",
    b"\n",
    b"\r",
    b"\0",
    b">",
    b"> > ",
    b"-- \n",
    b"=?utf-8?q?=C3?=",
    b"=?iso-2022-jp?B?GyRC?=",
    b"Content-Type: ",
    b"message/rfc822",
    b"multipart/report; boundary=b",
    b"\r\n--b\r\n",
    b"Content-Transfer-Encoding: base64\r\n",
    b"text/html",
    b"<div>",
    b"</div>",
    b"<blockquote>",
    b"<!--",
    b"-->",
    b"<svg>",
    b"<math><mtext>",
    b"<style>",
    b"<a href=\"jAvAscript:x\">",
    b"style=\"display:none\"",
    b"&#x2028;",
    b"&lt;script&gt;",
    b"From: Jane Doe <jane@customer.example>\n",
    b"Subject: Re: ",
    b"Date: Mon, 4 May 2026 10:12:00 +0200\n",
    b"To: anna@agents.example\n",
    b"On Mon, 4 May 2026, Jane <jane@customer.example> wrote:\n",
    b"---------- Forwarded message ---------\n",
    b"-----Original Message-----\n",
    "\u{202e}".as_bytes(),
    "\u{2028}".as_bytes(),
    "\u{130}".as_bytes(),
    "：".as_bytes(),
    b"\xff",
    b"\xf0\x9f",
    b"Final-Recipient: rfc822; ",
    b"Status: 5.1.1\n",
    b"@",
    b"<>",
];

fn data(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(folder)
}

/// All files below a folder, in order.
fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(listed) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for entry in listed {
        let path = entry.expect("list a folder").path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn content(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// Inputs of a target's own, and every mail of the tests: bytes are bytes.
fn seeds(target: &str) -> Vec<Vec<u8>> {
    let own = files(&data("seeds").join(target));
    assert!(!own.is_empty(), "target {target} has no seed");
    own.iter().chain(&files(&data("forward"))).map(|p| content(p)).collect()
}

/// xorshift64*: the same numbers from the same seed, on every machine.
struct Dice(u64);

impl Dice {
    fn new(seed: u64, target: &str) -> Self {
        let mixed =
            target.bytes().fold(seed ^ 0x9e37_79b9_7f4a_7c15, |n, b| (n ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
        Dice(mixed.max(1))
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// Below `n`; 0 if there is nothing below.
    fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(n.max(1)).expect("a length")).expect("below a length")
    }
}

/// A few changes to one seed.
fn mutated(dice: &mut Dice, seeds: &[Vec<u8>]) -> Vec<u8> {
    let mut input = seeds[dice.below(seeds.len())].clone();
    for _ in 0..=dice.below(8) {
        let at = dice.below(input.len() + 1);
        let end = (at + dice.below(40) + 1).min(input.len());
        match dice.below(7) {
            0 if at < input.len() => input[at] ^= 1 << dice.below(8),
            1 if at < end => drop(input.drain(at..end)),
            2 => drop(input.splice(at..at, WORDS[dice.below(WORDS.len())].iter().copied())),
            3 if at < end => drop(input.splice(at..end, WORDS[dice.below(WORDS.len())].iter().copied())),
            4 if at < end => {
                let piece = input[at..end].repeat(1 + dice.below(30));
                drop(input.splice(at..at, piece));
            }
            5 => {
                let other = &seeds[dice.below(seeds.len())];
                let from = dice.below(other.len() + 1);
                let piece = other[from..(from + dice.below(200)).min(other.len())].to_vec();
                drop(input.splice(at..at, piece));
            }
            _ => input.truncate(input.len() - dice.below(input.len() / 4 + 1)),
        }
    }
    input.truncate(INPUT_BYTES_MAX);
    input
}

/// Runs a target; what it says when it fails.
fn failure((_, target): Target, input: &[u8]) -> Option<String> {
    catch_unwind(AssertUnwindSafe(|| target(input))).err().map(|panic| {
        let words = panic.downcast_ref::<String>().cloned();
        words.or_else(|| panic.downcast_ref::<&str>().map(|w| (*w).to_owned())).unwrap_or_default()
    })
}

#[test]
fn seeds_and_all_findings_ever_made_hold() {
    for target in ALL {
        let findings = files(&data("findings").join(target.0));
        let own = files(&data("seeds").join(target.0));
        for path in own.iter().chain(&findings).chain(&files(&data("forward"))) {
            if let Some(words) = failure(target, &content(path)) {
                panic!("{} on {}: {words}", target.0, path.display());
            }
        }
    }
}

#[test]
fn nothing_that_chance_makes_of_the_seeds_breaks_a_target() {
    let setting = |name: &str| std::env::var(name).ok().map(|v| v.parse::<u64>().expect("a number"));
    let seed = setting("YESREPLY_FUZZ_SEED").unwrap_or(SEED);
    let runs = setting("YESREPLY_FUZZ_RUNS").unwrap_or(RUNS);
    println!("YESREPLY_FUZZ_SEED={seed}");
    targets::expect_panics_of_the_parser();
    let chosen = std::env::var("YESREPLY_FUZZ_TARGET").ok();
    for target in ALL.into_iter().filter(|t| chosen.as_deref().is_none_or(|name| name == t.0)) {
        let seeds = seeds(target.0);
        let mut dice = Dice::new(seed, target.0);
        for run in 1..=runs {
            let input = mutated(&mut dice, &seeds);
            if let Some(words) = failure(target, &input) {
                let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("finding-{}-{seed}-{run}", target.0));
                std::fs::write(&path, &input).expect("write the finding");
                panic!("{} fails on {} (YESREPLY_FUZZ_SEED={seed}, run {run}): {words}", target.0, path.display());
            }
        }
        println!("{}: {runs} runs", target.0);
    }
}

/// Four times the input takes at most twelve times as long: what is quadratic takes sixteen.
#[test]
fn time_grows_with_the_input_and_no_faster() {
    const SHORT: usize = 16 * 1024;
    for target in ALL {
        for word in WORDS.iter().filter(|w| !w.is_empty()) {
            let head: &[u8] = match target.0 {
                "read" | "report" => b"From: jane@customer.example\r\nContent-Type: text/plain\r\n\r\n",
                _ => b"",
            };
            let time = |length: usize| {
                let input: Vec<u8> = head.iter().chain(word.iter().cycle()).take(length).copied().collect();
                let begun = on_processor();
                target.1(&input);
                on_processor().saturating_sub(begun)
            };
            // what is this quick cannot become slow
            if time(4 * SHORT) < Duration::from_millis(300) {
                continue;
            }
            let grows = |_| time(4 * SHORT) <= 12 * time(SHORT) + Duration::from_millis(200);
            // caches may be cold: three tries
            assert!(
                (0..3).any(grows),
                "{}: {:?} repeated takes more than its share",
                target.0,
                String::from_utf8_lossy(word)
            );
        }
    }
}

/// How long this thread was on a processor: waiting for others does not count.
fn on_processor() -> Duration {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").expect("what the kernel counted");
    Duration::from_nanos(stat.split(' ').next().and_then(|ns| ns.parse().ok()).expect("nanoseconds"))
}
