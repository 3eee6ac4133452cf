//! Applications that hear of it: a customer answers with a word, and the application does it.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use yesreply::call::signature;

use crate::applications::{run_sendmail, shop_with};
use crate::desk::Desk;

const KEY: &str = "0123456789abcdef0123456789abcdef";

/// A request as the application read it.
#[derive(Debug, Clone)]
struct Request {
    head: String,
    body: String,
}

impl Request {
    fn field(&self, name: &str) -> &str {
        let line = self.head.lines().find(|l| l.to_lowercase().starts_with(&format!("{name}:")));
        line.unwrap_or_else(|| panic!("no {name} in {}", self.head)).split_once(':').expect("a value").1.trim()
    }

    fn event(&self) -> Value {
        serde_json::from_str(&self.body).expect("JSON")
    }

    /// What an application does before it believes a request.
    fn is_ours(&self) {
        let (id, at) = (self.field("webhook-id"), self.field("webhook-timestamp"));
        let at_s: i64 = at.parse().expect("seconds");
        assert!((yesreply::clock::now_ms() / 1_000 - at_s).abs() < 120, "{at}");
        assert_eq!(self.field("webhook-signature"), signature::of(KEY.as_bytes(), id, at_s, &self.body));
        assert_eq!(self.event()["id"], id);
        assert_eq!(self.field("content-type"), "application/json");
    }
}

/// An application's HTTP server; it answers with these, the last one for ever.
struct Server {
    port: u16,
    got: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    fn start(answers: &[&str], identity: Option<(PathBuf, PathBuf)>) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.set_nonblocking(true).expect("nonblocking");
        let port = listener.local_addr().expect("its address").port();
        let got: Arc<Mutex<Vec<Request>>> = Arc::default();
        let (seen, answers) = (got.clone(), answers.iter().map(|a| (*a).to_owned()).collect::<Vec<_>>());
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async move {
                let tls = identity.map(|(pem, key)| yesreply::tls::acceptor(&pem, &key).expect("an identity"));
                let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
                while let Ok((stream, _)) = listener.accept().await {
                    let count = seen.lock().expect("requests").len();
                    let answer = answers.get(count).or(answers.last()).expect("an answer");
                    match &tls {
                        Some(tls) => {
                            // who does not trust our certificate says nothing
                            if let Ok(stream) = tls.accept(stream).await {
                                served(stream, answer, &seen).await;
                            }
                        }
                        None => served(stream, answer, &seen).await,
                    }
                }
            });
        });
        Server { port, got }
    }

    fn got(&self) -> Vec<Request> {
        self.got.lock().expect("requests").clone()
    }
}

async fn served(mut stream: impl AsyncRead + AsyncWrite + Unpin, answer: &str, seen: &Mutex<Vec<Request>>) {
    let mut bytes = Vec::new();
    let mut buffer = [0u8; 4_096];
    while let Ok(read @ 1..) = stream.read(&mut buffer).await {
        bytes.extend_from_slice(&buffer[..read]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let request = Request { head: head.to_owned(), body: body.to_owned() };
        if body.len() < request.field("content-length").parse().expect("a number") {
            continue;
        }
        seen.lock().expect("requests").push(request);
        let _ = stream.write_all(answer.as_bytes()).await;
        let _ = stream.shutdown().await;
        return;
    }
}

fn answer(status: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

fn offers(desk: &Desk, order: &str) {
    let jane = desk.customer("Jane").address;
    let mail = format!(
        "X-Yesreply-Context: order={order}\nX-Yesreply-Actions: cancel=\"Cancel the whole order\"; keep=\"Send the rest\"\n\
         From: Shop Orders <noreply@{}>\nTo: Jane <{jane}>\nSubject: Your order {order}\n\nYour order {order} is late.\n",
        desk.domain
    );
    run_sendmail(desk, &["-t", "-i"], &mail);
}

#[test]
fn a_customers_word_reaches_the_application_over_https() {
    let late = answer("503 Service Unavailable", "");
    let done = answer("200 OK", "{\"answer\": \"Order 4711 is cancelled, your money is on its way.\"}");
    let Some((mut desk, _, server)) = shop_with("a_word_over_https", |host| {
        let tls = host.folder.join("tls");
        let server = Server::start(&[&late, &done], Some((tls.join("host.pem"), tls.join("host.key"))));
        let settings = format!(
            "webhook = \"https://localhost:{}/hooks/mail?shop=1\"\nca = \"{}\"\nsecret = \"{KEY}\"\n",
            server.port,
            tls.join("ca.pem").display()
        );
        (settings, server)
    }) else {
        return;
    };
    desk.start();
    offers(&desk, "4711");
    let (jane, anna) = (desk.customer("Jane"), desk.agent("anna"));
    let notification = jane.gets("cancel: Cancel the whole order");
    jane.sends(&notification.reply("Cancel, please!"));
    let told = jane.gets("your money is on its way.");
    assert_eq!(told.field("Auto-Submitted"), "auto-replied");
    let got = server.got();
    assert_eq!(got.len(), 2, "once more after 503: {got:#?}");
    got.iter().for_each(Request::is_ours);
    assert!(got[0].head.starts_with("POST /hooks/mail?shop=1 HTTP/1.1\r\n"), "{}", got[0].head);
    assert_eq!((got[0].field("webhook-id"), &got[0].body), (got[1].field("webhook-id"), &got[1].body));
    let data = &got[1].event()["data"];
    assert_eq!((&data["action"], &data["context"]["order"]), (&"cancel".into(), &"4711".into()));
    desk.wait_for("a closed case", |desk| desk.case("1001")["status"] == "closed");
    let calls = desk.json(&["calls", "list", "--all"]);
    assert_eq!(
        (&calls[0]["state"], &calls[0]["attempts"], &calls[0]["case"]),
        (&"taken".into(), &2.into(), &"1001".into())
    );
    assert!(anna.mailbox().is_empty(), "no person had to see it");
    jane.sends(&told.reply("And my voucher?"));
    assert!(anna.gets("And my voucher?").text().contains("order: 4711"));
    desk.audit();
}

#[test]
fn what_an_application_does_not_take_in_time_goes_to_a_person() {
    let elsewhere = Server::start(&[&answer("200 OK", "")], None);
    let moved =
        format!("HTTP/1.1 307 Moved\r\nLocation: http://127.0.0.1:{}/\r\nContent-Length: 0\r\n\r\n", elsewhere.port);
    let Some((mut desk, _, server)) = shop_with("a_word_not_taken", |_| {
        let server = Server::start(&[&moved], None);
        let url = format!("http://127.0.0.1:{}/", server.port);
        (format!("webhook = \"{url}\"\nsecret = \"{KEY}\"\nactions_timeout = \"3s\"\n"), server)
    }) else {
        return;
    };
    desk.start();
    offers(&desk, "4712");
    let (jane, anna) = (desk.customer("Jane"), desk.agent("anna"));
    jane.sends(&jane.gets("is late").reply("keep"));
    let relay = anna.gets("did not take \"keep\" (Send the rest): status 307");
    assert!(relay.text().contains("order: 4712") && relay.text().contains("is late"), "{}", relay.text());
    jane.gets("a person will read it");
    anna.sends(&relay.reply("The rest leaves today."));
    jane.gets("The rest leaves today.");
    assert!(server.got().len() >= 2, "{:#?}", server.got());
    assert!(elsewhere.got().is_empty(), "a redirect is not followed");
    desk.audit();
}

#[test]
fn a_word_is_kept_while_the_application_and_the_daemon_are_down() {
    let held = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = held.local_addr().expect("its address").port();
    drop(held);
    let Some((mut desk, _, script)) = shop_with("a_word_kept", |host| {
        let script = host.folder.join(format!("hook-{port}.sh"));
        (format!("command = [\"/bin/sh\", \"{}\"]\n", script.display()), script)
    }) else {
        return;
    };
    desk.start();
    offers(&desk, "4713");
    let jane = desk.customer("Jane");
    jane.sends(&jane.gets("is late").reply("cancel"));
    desk.wait_for("a first attempt", |desk| desk.json(&["calls", "list"])[0]["attempts"].as_i64() >= Some(1));
    desk.kill();
    let seen = script.with_extension("json");
    let program = format!(
        "cat > {}\necho debugging is not for customers >&2\nprintf '{{\"answer\": \"Cancelled by %s.\"}}' command\n",
        seen.display()
    );
    std::fs::write(&script, program).expect("write");
    desk.launch();
    jane.gets("Cancelled by command.");
    let event: Value = serde_json::from_str(&std::fs::read_to_string(&seen).expect("what it read")).expect("JSON");
    assert_eq!((&event["type"], &event["data"]["action"]), (&"action".into(), &"cancel".into()));
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(desk.json(&["calls", "list"]), Value::Array(Vec::new()));
    desk.audit();
}
