//! The house rules, as far as a machine can see them.

#![expect(clippy::expect_used, reason = "a test that cannot go on fails, with the reason")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Lines of a source file, tests apart.
const FILE_LINES_MAX: usize = 450;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn tracked() -> Vec<PathBuf> {
    let done = Command::new("git")
        .args(["ls-files", "-co", "--exclude-standard"])
        .current_dir(root())
        .output()
        .expect("run git");
    assert!(done.status.success(), "git ls-files: {}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8_lossy(&done.stdout).lines().map(PathBuf::from).filter(|p| root().join(p).exists()).collect()
}

fn text(path: &Path) -> String {
    String::from_utf8_lossy(&std::fs::read(root().join(path)).unwrap_or_default()).into_owned()
}

fn sources() -> Vec<(PathBuf, String)> {
    tracked()
        .into_iter()
        .filter(|p| p.starts_with("src") && p.extension().is_some_and(|e| e == "rs"))
        .map(|p| (p.clone(), text(&p)))
        .collect()
}

/// Without the tests inside.
fn code(text: &str) -> &str {
    text.split_once("#[cfg(test)]").map_or(text, |(code, _)| code)
}

#[test]
fn files_are_small() {
    for (path, text) in sources() {
        let lines = code(&text).lines().count();
        assert!(lines <= FILE_LINES_MAX, "{} has {lines} lines: it holds two ideas", path.display());
    }
}

#[test]
fn every_module_opens_with_its_contract() {
    for (path, text) in sources() {
        let is_test = path.to_string_lossy().ends_with("tests.rs");
        assert!(is_test || text.starts_with("//!"), "{} does not say what it is for", path.display());
    }
}

/// Who may use whom: the pure rooms know nothing of the shell, the edges nothing of each other.
#[test]
fn rooms_keep_to_themselves() {
    let forbidden: BTreeMap<&str, &[&str]> = BTreeMap::from([
        (
            "src/mail",
            &[
                "crate::desk",
                "crate::store",
                "crate::flow",
                "crate::imap",
                "crate::smtp",
                "crate::config",
                "crate::cli",
                "crate::daemon",
                "crate::clock",
                "tokio::",
                "sqlx",
                "Instant::now",
                "std::fs",
                "std::env",
                "tracing::",
            ][..],
        ),
        (
            "src/desk",
            &[
                "crate::store",
                "crate::flow",
                "crate::imap",
                "crate::smtp",
                "crate::config",
                "crate::cli",
                "crate::daemon",
                "crate::clock",
                "tokio::",
                "sqlx",
                "Instant::now",
                "std::fs",
                "std::env",
                "tracing::",
            ][..],
        ),
        (
            "src/store",
            &["crate::flow", "crate::imap", "crate::smtp", "crate::config", "crate::cli", "crate::daemon"][..],
        ),
        ("src/flow", &["crate::imap", "crate::smtp", "crate::config", "crate::cli", "crate::daemon"][..]),
        ("src/imap", &["crate::smtp", "crate::cli", "crate::daemon", "crate::desk", "sqlx"][..]),
        ("src/smtp", &["crate::imap", "crate::cli", "crate::daemon", "crate::desk", "sqlx"][..]),
        (
            "src/config",
            &["crate::flow", "crate::imap", "crate::smtp", "crate::cli", "crate::daemon", "tokio::", "sqlx"][..],
        ),
        ("src/listen", &["crate::imap", "crate::smtp", "crate::cli", "crate::daemon", "crate::desk", "sqlx"][..]),
        (
            "src/call",
            &["crate::imap", "crate::smtp", "crate::listen", "crate::cli", "crate::daemon", "crate::desk", "sqlx"][..],
        ),
        ("src/cli", &["sqlx::query"][..]),
    ]);
    for (path, text) in sources() {
        let name = path.to_string_lossy();
        for (room, others) in &forbidden {
            let inside = name.starts_with(&format!("{room}/")) || name == format!("{room}.rs");
            let is_test = name.ends_with("tests.rs");
            for other in others.iter().filter(|_| inside && !is_test) {
                assert!(!code(&text).contains(other), "{name} uses {other}");
            }
        }
    }
}

#[test]
fn one_place_reads_the_clock_and_one_the_dice() {
    for (path, text) in sources() {
        let name = path.to_string_lossy().into_owned();
        if name != "src/clock.rs" {
            for word in ["SystemTime::now", "getrandom::"] {
                assert!(!code(&text).contains(word), "{name} uses {word}");
            }
        }
    }
}

#[test]
fn words_that_hide_ideas_are_not_used() {
    for path in tracked() {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().to_lowercase();
        for word in ["utils", "util", "helpers", "misc", "common"] {
            assert_ne!(name, word, "{}", path.display());
        }
    }
}

/// Every citation of an RFC stands in `docs/standards.md`, its sections too, and every row has a status.
#[test]
fn cited_standards_have_a_status() {
    let table = text(Path::new("docs/standards.md"));
    let mut rows: BTreeMap<String, String> = BTreeMap::new();
    for line in table.lines().filter(|l| l.starts_with("| RFC")) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let status = cells.get(2).copied().unwrap_or_default();
        assert!(["yes", "part", "reads"].contains(&status), "no status: {line}");
        rows.insert(cells.first().expect("a name").to_string(), line.to_owned());
    }
    let mut cited = BTreeSet::new();
    for (path, text) in sources() {
        let words: Vec<&str> = text.split_whitespace().collect();
        for (at, word) in words.iter().enumerate() {
            if word.trim_start_matches(['(', '`', '[']) != "RFC" {
                continue;
            }
            let number: String = words.get(at + 1).unwrap_or(&"").chars().take_while(char::is_ascii_digit).collect();
            let name = format!("RFC {number}");
            let row = rows
                .get(&name)
                .unwrap_or_else(|| panic!("{} cites {name}, which docs/standards.md does not have", path.display()));
            let next = words.get(at + 2).unwrap_or(&"").trim_end_matches('s');
            let whole = !words.get(at + 1).unwrap_or(&"").ends_with([',', ';', '.', ')', ':']);
            if next == "section" && whole {
                let section = words.get(at + 3).unwrap_or(&"").trim_end_matches(|c: char| !c.is_ascii_digit());
                assert!(row.contains(section), "{} cites {name} section {section}; its row is {row}", path.display());
            }
            cited.insert(name);
        }
    }
    for name in rows.keys() {
        assert!(cited.contains(name), "docs/standards.md has {name}, which nothing cites");
    }
}

/// Every rule that a test bears is in the book, and every rule that this release owns has a test.
#[test]
fn rules_have_tests() {
    let book = text(Path::new("docs/rules.md"));
    let mut tests = String::new();
    for path in tracked().iter().filter(|p| p.extension().is_some_and(|e| e == "rs")) {
        tests.push_str(&text(path));
    }
    let owned = [
        1, 2, 3, 4, 5, 10, 11, 12, 13, 14, 20, 21, 22, 23, 30, 31, 32, 33, 34, 40, 42, 43, 44, 45, 46, 49, 50, 51, 52,
        53, 54, 60, 61, 62, 63, 64, 70, 71, 72, 73, 90, 91, 92, 94, 95,
    ];
    for number in owned {
        assert!(book.contains(&format!("**R{number}**")), "docs/rules.md has no R{number}");
        assert!(tests.contains(&format!("fn r{number}_")), "R{number} has no test that bears its number");
    }
}

/// Every mistake of the failpoints is built in at one place, and a test says that it is noticed.
#[test]
fn every_fault_is_noticed() {
    for name in yesreply::failpoint::FAULTS {
        let built = format!("fault(\"{name}\")");
        let places: usize = sources().iter().map(|(_, text)| text.matches(&built).count()).sum();
        assert_eq!(places, 1, "{name} is built in {places} times");
        let tests =
            tracked().into_iter().filter(|p| p.starts_with("tests") && p.extension().is_some_and(|e| e == "rs"));
        let quoted = format!("\"{name}\"");
        assert!(tests.filter(|p| text(p).contains(&quoted)).count() == 1, "no test bites on {name}");
    }
}

/// Every threat of the catalogue has a row, and every test that the table names is there.
#[test]
fn threats_have_tests() {
    let table = text(Path::new("docs/threats.md"));
    let mut code = String::new();
    for path in tracked().iter().filter(|p| p.extension().is_some_and(|e| e == "rs")) {
        code.push_str(&text(path));
    }
    for number in 1..=46 {
        let row = table.lines().find(|l| l.starts_with(&format!("| T{number:02} |")));
        let row = row.unwrap_or_else(|| panic!("docs/threats.md has no T{number:02}"));
        let cell = row.trim_end_matches(" |").rsplit(" | ").next().unwrap_or_default();
        let names: Vec<&str> = cell.split('`').skip(1).step_by(2).collect();
        assert!(cell == "waits" || !names.is_empty(), "T{number:02} has no test");
        for name in names {
            assert!(code.contains(&format!("fn {name}(")), "T{number:02}: there is no test {name}");
        }
    }
}

/// Every dependency says why it is there.
#[test]
fn dependencies_have_reasons() {
    let manifest = text(Path::new("Cargo.toml"));
    let mut section = "";
    let mut before = "";
    for line in manifest.lines() {
        if line.starts_with('[') {
            section = line;
        } else if section.contains("dependencies") && line.contains('=') && !line.starts_with('#') {
            assert!(before.starts_with('#'), "no reason: {line}");
        }
        before = line;
    }
}

/// No TLS but rustls, no crypto but ring.
#[test]
fn no_other_tls() {
    let lock = text(Path::new("Cargo.lock"));
    for name in ["openssl", "openssl-sys", "native-tls", "aws-lc-rs", "aws-lc-sys"] {
        assert!(!lock.contains(&format!("name = \"{name}\"")), "{name} is in Cargo.lock");
    }
}

/// The config example names only keys that there are: without its comments, it is read.
#[test]
fn the_example_config_is_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let example =
        text(Path::new("config/yesreply.toml")).replace("/etc/yesreply", &folder.path().display().to_string());
    let path = folder.path().join("yesreply.toml");
    std::fs::write(&path, &example).expect("write");
    for (file, content) in [
        ("token.key", "11".repeat(32)),
        ("support.pass", "secret".to_owned()),
        ("shop.key", "22".repeat(32)),
        ("dkim.pem", dkim_key()),
    ] {
        std::fs::write(folder.path().join(file), content).expect("write");
    }
    for file in ["yesreply.toml", "token.key", "support.pass", "shop.key", "dkim.pem"] {
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        std::fs::set_permissions(folder.path().join(file), mode).expect("mode 600");
    }
    let read = |text: &str| {
        std::fs::write(&path, text).expect("write");
        yesreply::config::Config::load(&path).map(|_| ())
    };
    assert_eq!(read(&example), Ok(()));
    // every commented section and key, one section at a time
    let uncommented: String = example
        .lines()
        .map(|line| match line.strip_prefix("# ") {
            Some(rest) if rest.starts_with('[') || is_setting(rest) => format!("{rest}\n"),
            _ => format!("{line}\n"),
        })
        .collect();
    let whole = uncommented
        .replace("folder = \"", "folder = \"/nonexistent")
        .replace("[letters]\n", "")
        .lines()
        .filter(|l| !l.starts_with("folder =") && !l.starts_with("keys =") && !l.starts_with("reply_address ="))
        .map(|l| format!("{l}\n"))
        .collect::<String>();
    assert_eq!(read(&whole), Ok(()), "{whole}");
}

fn dkim_key() -> String {
    let done = Command::new("openssl").args(["genpkey", "-algorithm", "ed25519"]).output().expect("run openssl");
    String::from_utf8(done.stdout).expect("PEM")
}

fn is_setting(line: &str) -> bool {
    let key: String = line.chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect();
    !key.is_empty() && line.get(key.len()..).is_some_and(|rest| rest.starts_with(" = "))
}

/// Every number that the README names is one that the page has.
#[test]
fn numbers_in_the_readme_are_on_the_page() {
    let source = text(Path::new("src/metrics.rs"));
    let readme = text(Path::new("README.md"));
    let mut names = BTreeSet::new();
    for rest in readme.split("`yesreply_").skip(1) {
        let name: String = rest.chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect();
        let stem = ["_total", "_info"].iter().find_map(|unit| name.strip_suffix(unit)).unwrap_or(&name).to_owned();
        assert!(source.contains(&format!("\"{stem}\"")), "{name} stands in the README, but not on the page");
        names.insert(stem);
    }
    assert!(names.len() > 10, "the README names {} numbers", names.len());
}
