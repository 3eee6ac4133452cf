//! The page of numbers on a real socket.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::watch;
use yesreply::config::place::Place;
use yesreply::health::{Beat, Health};
use yesreply::http::Http;
use yesreply::listen::socket::Inherited;

use super::Desk;

struct Page {
    desk: Desk,
    beat: Beat,
    socket: PathBuf,
    stop: watch::Sender<bool>,
}

impl Page {
    async fn open() -> Self {
        let desk = Desk::new(1).await;
        let health = Health::default();
        let beat = health.beat("timers");
        let socket = desk._folder.path().join("http.sock");
        let place = Place::Unix(socket.clone());
        let http = Http::open(&place, &mut Inherited::take(), desk.flow.clone(), health).await.expect("a page");
        let (stop, stopped) = watch::channel(false);
        tokio::spawn(Arc::new(http).run(stopped));
        Page { desk, beat, socket, stop }
    }

    /// All that is answered to these octets, until the other side closes.
    async fn says(&self, octets: &str) -> String {
        let mut stream = UnixStream::connect(&self.socket).await.expect("connect");
        stream.write_all(octets.as_bytes()).await.expect("write");
        let mut answered = Vec::new();
        let done = tokio::time::timeout(Duration::from_secs(30), stream.read_to_end(&mut answered));
        done.await.expect("an end in time").ok();
        String::from_utf8(answered).expect("text")
    }

    async fn get(&self, path: &str) -> String {
        self.says(&format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n")).await
    }
}

#[tokio::test]
async fn numbers_tell_how_things_stand() {
    let page = Page::open().await;
    let said = page.get("/metrics").await;
    assert!(said.starts_with("HTTP/1.1 200 OK\r\n"), "{said}");
    assert!(said.contains("content-type: application/openmetrics-text; version=1.0.0; charset=utf-8\r\n"), "{said}");
    for line in [
        concat!("yesreply_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"} 1"),
        "yesreply_quarantine_mails 0",
        "yesreply_acknowledgement_breaker_open 0",
        "yesreply_alarmed_cases 0",
        "# EOF",
    ] {
        assert!(said.lines().any(|l| l == line), "no line {line} in {said}");
    }
    page.desk.flow.account_state("support", "imap", "failing", "it refused the password of anna@agents.example").await;
    page.desk.flow.metrics().restart("timers", "");
    let said = page.get("/metrics").await;
    assert!(said.contains("yesreply_account_up{mailbox=\"support\",side=\"imap\"} 0\n"), "{said}");
    assert!(said.contains("yesreply_loop_restarts_total{loop=\"timers\",of=\"\"} 1\n"), "{said}");
    assert!(!said.contains("anna@"), "{said}");
}

#[tokio::test]
async fn live_is_about_our_own_loops_and_ready_about_the_database() {
    let page = Page::open().await;
    page.desk.flow.account_state("support", "imap", "failing", "it is away").await;
    assert!(page.get("/healthz/live").await.ends_with("\r\n\r\nlive\n"));
    assert!(page.get("/healthz/ready").await.ends_with("\r\n\r\nready\n"));
    page.beat.within(Duration::ZERO);
    tokio::time::sleep(Duration::from_millis(10)).await;
    let live = page.get("/healthz/live").await;
    assert!(live.starts_with("HTTP/1.1 503 ") && live.ends_with("nothing is heard of timers\n"), "{live}");
    assert!(page.get("/metrics").await.contains("yesreply_loop_overdue{loop=\"timers\"} 1\n"));
    let held = page.desk.flow.store().begin().await.expect("the one writer");
    let ready = page.get("/healthz/ready").await;
    assert!(ready.starts_with("HTTP/1.1 503 ") && ready.contains("does not take a write in time"), "{ready}");
    drop(held);
}

#[tokio::test]
async fn a_page_changes_nothing_and_answers_little() {
    let page = Page::open().await;
    assert!(page.get("/").await.starts_with("HTTP/1.1 404 "));
    let posted = page.says("POST /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabc").await;
    assert!(posted.starts_with("HTTP/1.1 405 "), "{posted}");
    let head = page.says("HEAD /healthz/live HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    assert!(head.starts_with("HTTP/1.1 200 ") && head.ends_with("\r\n\r\n"), "{head}");
    let long = page.says(&format!("GET /{} HTTP/1.1\r\nHost: localhost\r\n\r\n", "a".repeat(100_000))).await;
    assert!(long.is_empty() || long.starts_with("HTTP/1.1 4"), "{long}");
    // whoever says nothing keeps nobody else out
    let mut silent = Vec::new();
    for _ in 0..10 {
        silent.push(UnixStream::connect(&page.socket).await.expect("connect"));
    }
    assert!(page.get("/healthz/live").await.contains("live"));
    page.stop.send_replace(true);
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(UnixStream::connect(&page.socket).await.is_err(), "it is closed");
}
