//! The listener on real sockets: what a peer says, how slowly, and how often.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use yesreply::config::Config;
use yesreply::flow::Flow;
use yesreply::listen::Listener;
use yesreply::listen::socket::Inherited;
use yesreply::store::Store;

/// A listener of its own desk.
struct Door {
    flow: Arc<Flow>,
    port: u16,
    _stop: watch::Sender<bool>,
    _folder: tempfile::TempDir,
}

impl Door {
    async fn open(settings: &str) -> Self {
        let held = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = held.local_addr().expect("its address").port();
        drop(held);
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("yesreply.toml");
        let text = format!(
            "[database]\nurl = \"sqlite:{0}/desk.db\"\n[token]\nkey = \"{1}\"\n\
             [mailbox.support]\naddress = \"support@shop.example\"\npassword = \"secret\"\n\
             imap = {{ host = \"localhost\" }}\nsmtp = {{ host = \"localhost\" }}\n\
             [application.shop]\nmailbox = \"support\"\nuser = \"shop\"\npassword = \"pass\"\n\
             [application.local]\nmailbox = \"support\"\ntrust = \"loopback\"\n\
             [limits]\nmessage_bytes_max = \"64KiB\"\n\
             [listener.local]\naddress = \"127.0.0.1:{port}\"\n{settings}",
            folder.path().display(),
            "11".repeat(32)
        );
        std::fs::write(&path, text).expect("write");
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("mode 600");
        let config = Config::load(&path).unwrap_or_else(|findings| panic!("{findings:#?}"));
        let store = Store::open(&config.file.database.url).await.expect("a store");
        let flow = Flow::start(store, Arc::new(config.policy.clone()));
        let (stop, stopped) = watch::channel(false);
        for listener in Listener::open(&config, &flow, &mut Inherited::take()).await.expect("a listener") {
            tokio::spawn(Arc::new(listener).run(stopped.clone()));
        }
        Door { flow, port, _stop: stop, _folder: folder }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(("127.0.0.1", self.port)).await.expect("connect")
    }

    /// All that is answered to these octets, until the listener closes.
    async fn says(&self, octets: &[u8]) -> String {
        let mut stream = self.connect().await;
        stream.write_all(octets).await.expect("write");
        let mut answered = Vec::new();
        let read = tokio::time::timeout(Duration::from_secs(60), stream.read_to_end(&mut answered)).await;
        read.expect("an end").unwrap_or_default();
        String::from_utf8_lossy(&answered).into_owned()
    }

    /// Mails that would be sent.
    async fn queued(&self) -> Vec<Vec<u8>> {
        let claimed =
            self.flow.claim("support", 1_000, yesreply::store::types::Wanted::Any, 60_000).await.expect("claim");
        let mut mails = Vec::new();
        for row in claimed {
            mails.push(self.flow.content(row.id).await.expect("the mail"));
        }
        mails
    }
}

fn codes(answered: &str) -> String {
    let last = answered.lines().filter(|l| l.as_bytes().get(3) != Some(&b'-'));
    last.filter_map(|l| l.get(..3)).collect::<Vec<_>>().join(" ")
}

const MAIL: &str = "EHLO app\r\nMAIL FROM:<app@shop.example>\r\nRCPT TO:<jane@customer.example>\r\nDATA\r\n\
                    From: noreply@shop.example\r\nTo: jane@customer.example\r\nMessage-ID: <one@shop.example>\r\nSubject: Order\r\n\r\n";

#[tokio::test]
async fn pipelined_mail_with_dots_is_stored_before_250() {
    let door = Door::open("").await;
    let answered = door.says(format!("{MAIL}..\r\n...two\r\n.\r\nQUIT\r\n").as_bytes()).await;
    assert_eq!(codes(&answered), "220 250 250 250 354 250 221", "{answered}");
    let queued = door.queued().await;
    assert_eq!(queued.len(), 1);
    assert!(queued[0].ends_with(b"\r\n\r\n.\r\n..two\r\n"), "{}", String::from_utf8_lossy(&queued[0]));
}

#[tokio::test]
async fn smuggled_and_oversized_mail_is_refused_whole() {
    let door = Door::open("").await;
    for end in ["\n.\n", "\n.\r\n", "\r.\r", "\r\n.\n", "\r\n.\r"] {
        let evil = "MAIL FROM:<x@y.example>\r\nRCPT TO:<z@y.example>\r\nDATA\r\nevil\r\n.\r\n";
        let answered = door.says(format!("{MAIL}hello{end}{evil}QUIT\r\n").as_bytes()).await;
        assert_eq!(codes(&answered), "220 250 250 250 354 550", "{end:?}: {answered}");
    }
    let answered = door.says(format!("{MAIL}{}\r\n.\r\nQUIT\r\n", "x".repeat(100_000)).as_bytes()).await;
    assert_eq!(codes(&answered), "220 250 250 250 354 552 221", "{answered}");
    let answered = door.says(b"EHLO app\r\nMAIL FROM:<> SIZE=70000\r\nQUIT\r\n").await;
    assert_eq!(codes(&answered), "220 250 552 221", "{answered}");
    assert!(door.queued().await.is_empty());
}

#[tokio::test]
async fn a_peer_that_breaks_off_in_data_leaves_nothing() {
    let door = Door::open("").await;
    let mut stream = door.connect().await;
    stream.write_all(format!("{MAIL}half").as_bytes()).await.expect("write");
    drop(stream);
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(door.queued().await.is_empty());
}

#[tokio::test]
async fn a_trickle_of_octets_ends_in_time() {
    let door = Door::open("timeout = \"500ms\"\ndata_timeout = \"700ms\"\n").await;
    for (said, code) in [("", "421"), (MAIL, "421")] {
        let mut stream = door.connect().await;
        stream.write_all(said.as_bytes()).await.expect("write");
        let begun = std::time::Instant::now();
        let (mut reader, mut writer) = stream.into_split();
        let drip = tokio::spawn(async move {
            while writer.write_all(b"x").await.is_ok() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        });
        let mut answered = String::new();
        let _ =
            tokio::time::timeout(Duration::from_secs(20), reader.read_to_string(&mut answered)).await.expect("an end");
        assert!(begun.elapsed() < Duration::from_secs(15));
        assert!(codes(&answered).ends_with(code), "{answered}");
        drip.abort();
    }
}

#[tokio::test]
async fn failed_logins_are_slow_and_few() {
    let door = Door::open("").await;
    let begun = std::time::Instant::now();
    let answered =
        door.says(format!("EHLO a\r\n{}NOOP\r\n", "AUTH PLAIN AHNob3AAd3Jvbmc=\r\n".repeat(5)).as_bytes()).await;
    assert_eq!(codes(&answered), "220 250 535 535 535 421", "{answered}");
    assert!(begun.elapsed() >= Duration::from_secs(3), "{:?}", begun.elapsed());
    let answered = door.says(b"EHLO a\r\nAUTH PLAIN AHNob3AAcGFzcw==\r\nQUIT\r\n").await;
    assert_eq!(codes(&answered), "220 250 235 221", "{answered}");
}

#[tokio::test]
async fn five_hundred_connections_are_served_and_one_more_is_told() {
    let door = Door::open("connections = 500\n").await;
    let mut all = Vec::new();
    for _ in 0..500 {
        let mut stream = door.connect().await;
        let mut greeting = [0u8; 3];
        stream.read_exact(&mut greeting).await.expect("a greeting");
        assert_eq!(&greeting, b"220");
        all.push(stream);
    }
    assert!(door.says(b"").await.starts_with("421 4.3.2"));
    let mut last = all.pop().expect("a connection");
    last.write_all(format!("{MAIL}x\r\n.\r\nQUIT\r\n").as_bytes()).await.expect("write");
    let mut answered = String::new();
    last.read_to_string(&mut answered).await.expect("answers");
    assert!(answered.contains("354") && answered.contains("250 2.0.0 it is stored"), "{answered}");
}
