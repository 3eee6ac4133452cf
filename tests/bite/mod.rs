//! Does a test bite? It is run once more, in a process of its own, with a mistake built in, and must fail.

use std::process::Command;

use yesreply::failpoint::FAULTS;

/// This test of this binary fails with the mistake, and says these words. (That it passes without, the same run shows.)
pub fn bites(fault: &str, test: &str, words: &str) {
    assert!(FAULTS.contains(&fault), "there is no fault {fault}");
    let done = Command::new(std::env::current_exe().expect("this binary"))
        .args(["--exact", test, "--nocapture"])
        .env("YESREPLY_FAULT", fault)
        .output()
        .expect("run this binary");
    let text = format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert!(text.contains("running 1 test"), "there is no test {test}:\n{text}");
    assert!(!done.status.success(), "{test} does not notice {fault}:\n{text}");
    assert!(text.contains(words), "{test} fails with {fault}, but not for its sake:\n{text}");
}
