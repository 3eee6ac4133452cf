//! R40 to R48 with real clients: replies as each mail client writes them to the relay that the desk really sent.

use yesreply::desk::case::Status;

use crate::desk::{Desk, Sent, one_to, to};
use crate::letter::{Draft, Letter};
use crate::replies::{Client, Place, seen, words};

/// What only agents see, and what shows that a mail was answered with a client.
const INTERNAL: [&str; 16] = [
    "yesreply:",
    "Your reply goes",
    "Customer:",
    "Owner:",
    "Author:",
    "First lines of your reply",
    "History of case",
    "agents.example",
    "Agentson",
    " via Shop",
    "wrote:",
    "Sent from",
    "Original Message",
    "mailto:",
    "[#10",
    "#close",
];

/// A client's story: its customers write, it answers.
struct Story {
    desk: Desk,
    client: Client,
    customers: usize,
    wrong: Vec<String>,
}

/// What is to come of a reply.
struct Expected<'a> {
    what: &'a str,
    typed: &'a [&'a str],
    place: Place,
    /// Lines of what was typed that reach the customer.
    sent: &'a [&'a str],
    status: Option<Status>,
    tags: &'a [&'a str],
}

impl Story {
    async fn of(client: &str) -> Self {
        let desk = Desk::with("[limits]\nack_per_domain = \"off\"\n").await;
        Story { desk, client: Client::named(client), customers: 0, wrong: Vec::new() }
    }

    /// Another customer writes; Anna's relay.
    async fn opened(&mut self) -> (String, Letter) {
        self.customers += 1;
        let customer = format!("jane{}@customer.example", self.customers);
        let mail = Draft::new("support@shop.example", "Parcel", "Where is it?\n\nI wait since Monday.\n\nJane");
        self.desk.gets(&format!("Jane Doe <{customer}>"), &mail).await;
        let relay = one_to(&self.desk.sends().await, "anna@agents.example").clone();
        (customer, relay)
    }

    async fn answered(&mut self, typed: &[&str], place: Place) -> (String, Letter, Vec<Sent>) {
        let (customer, relay) = self.opened().await;
        let raw = self.client.replies(&relay, typed, place);
        if let Ok(folder) = std::env::var("YESREPLY_REPLIES") {
            let path = format!("{folder}/{}-{}.eml", self.client.name, self.customers);
            std::fs::write(&path, &raw).unwrap_or_else(|e| panic!("{path}: {e}"));
        }
        self.desk.arrives("support", &raw).await;
        let sent = self.desk.sends().await;
        (customer, relay, sent)
    }

    fn check(&mut self, what: &str, holds: bool, found: &str) {
        if !holds {
            self.wrong.push(format!("{}, {what}: {found}", self.client.name));
        }
    }

    async fn check_case(&mut self, expected: &Expected<'_>) {
        let case = self.desk.cases().await.pop().expect("a case");
        if let Some(status) = expected.status {
            self.check(expected.what, case.listed.case.status == status, &format!("is {:?}", case.listed.case.status));
        }
        let tags: Vec<&str> = case.listed.case.handling.tags.iter().map(String::as_str).collect();
        self.check(expected.what, tags == expected.tags, &format!("has tags {tags:?}"));
        let texts: Vec<&str> = case.entries.iter().map(|(_, e)| e.text.as_str()).collect();
        let log = format!("{texts:?} {:?}", case.log);
        self.check(expected.what, case.listed.case.owner.as_deref() == Some("anna"), &format!("is not Anna's: {log}"));
    }

    /// A reply, and what the customer gets of it.
    async fn says(&mut self, expected: Expected<'_>) {
        let (customer, relay, sent) = self.answered(expected.typed, expected.place).await;
        self.check_case(&expected).await;
        let mails = to(&sent, &customer);
        let what = expected.what;
        let [mail] = mails.as_slice() else {
            let told: Vec<String> = to(&sent, "anna@agents.example").iter().map(|l| l.text()).collect();
            self.check(what, mails.is_empty() && expected.sent.is_empty(), &format!("{} mails; {told:?}", mails.len()));
            return;
        };
        let lines: Vec<String> =
            expected.sent.iter().map(|l| words(&self.client.typed(l).replace("**", "").replace("• ", ""))).collect();
        let text = mail.text();
        let own: Vec<String> =
            text.lines().filter(|l| !l.starts_with('>')).map(words).filter(|l| !l.is_empty()).collect();
        let wanted: Vec<&String> = lines.iter().filter(|l| !l.is_empty() && *l != "[image]").collect();
        self.check(what, own.iter().eq(wanted.iter().copied()), &format!("text {own:?} is not {wanted:?}"));
        let html = mail.html();
        let wanted = wanted.into_iter().cloned().collect::<Vec<_>>().join(" ");
        if let Place::Inline(answers) = expected.place {
            for (target, answer) in answers {
                let (above, _) = text.split_once(&*self.client.typed(answer)).unwrap_or_default();
                let before = above.lines().rev().find(|l| !l.trim().is_empty()).unwrap_or_default();
                self.check(
                    what,
                    before == format!("> {target}"),
                    &format!("{before:?} stands before {answer:?} in {text}"),
                );
                let shown = seen(&html);
                self.check(what, shown.contains(&format!("{target} {}", self.client.typed(answer))), &shown);
            }
        } else {
            self.check(what, seen(&html) == wanted, &format!("HTML {:?} is not {wanted:?}", seen(&html)));
            self.check(what, !text.contains("Where is it?"), &text);
        }
        if expected.sent.contains(&"[image]") && !self.client.html.is_empty() {
            let has = html.contains("cid:") && mail.everything().contains("image/png");
            self.check(what, has, &format!("no picture: {html}"));
            self.check(what, html.contains("<b>") || html.contains("<strong>"), &format!("nothing is bold: {html}"));
        }
        let all = format!("{}\n{text}\n{html}", mail.everything());
        for secret in INTERNAL.iter().copied().chain([relay.reply_to().as_str()]) {
            self.check(what, !all.contains(secret), &format!("{secret} leaves: {text}\n{html}"));
        }
    }

    async fn all(mut self) {
        let plain = ["Hello Jane,", "", "it comes on Tuesday - the courier's van broke down.", "", "Regards", "Anna"];
        self.says(Expected {
            what: "plain",
            typed: &plain,
            place: Place::Above,
            sent: &plain,
            status: Some(Status::Waiting),
            tags: &[],
        })
        .await;
        self.says(Expected {
            what: "#close",
            typed: &["#Close", "It was delivered this morning."],
            place: Place::Above,
            sent: &["It was delivered this morning."],
            status: Some(Status::Closed),
            tags: &[],
        })
        .await;
        self.says(Expected {
            what: "two commands",
            typed: &["#tag\u{a0}refund", "#close", "", "\"Hello\" Jane,", "", "the 129,90 € are on their way..."],
            place: Place::Above,
            sent: &["\"Hello\" Jane,", "the 129,90 € are on their way..."],
            status: Some(Status::Closed),
            tags: &["refund"],
        })
        .await;
        self.says(Expected {
            what: "commands as a list",
            typed: &["• #tag refund", "• #close", "Bye Jane."],
            place: Place::Above,
            sent: &["Bye Jane."],
            status: Some(Status::Closed),
            tags: &["refund"],
        })
        .await;
        self.says(Expected {
            what: "commands alone",
            typed: &["#take", "#tag vip"],
            place: Place::Above,
            sent: &[],
            status: Some(Status::Open),
            tags: &["vip"],
        })
        .await;
        self.notes().await;
        self.formatted().await;
        self.inline().await;
        if self.client.does("below") {
            self.says(Expected {
                what: "below the quote",
                typed: &["#close", "It was delivered this morning.", "", "Anna"],
                place: Place::Below,
                sent: &["It was delivered this morning.", "Anna"],
                status: Some(Status::Closed),
                tags: &[],
            })
            .await;
        }
        assert!(self.wrong.is_empty(), "{} wrong:\n{}", self.wrong.len(), self.wrong.join("\n"));
    }

    async fn notes(&mut self) {
        let (customer, _, sent) = self.answered(&["#note", "She is a regular, be kind."], Place::Above).await;
        self.check("#note", to(&sent, &customer).is_empty(), "reaches the customer");
        let case = self.desk.cases().await.pop().expect("a case");
        let notes: Vec<&str> =
            case.entries.iter().filter(|(_, e)| e.direction.word() == "note").map(|(_, e)| e.text.trim()).collect();
        self.check("#note", notes == ["She is a regular, be kind."], &format!("{notes:?}"));
    }

    async fn formatted(&mut self) {
        let typed = ["#tag lamp", "Is it **this** one:", "[image]", "• blue", "• and **round**?"];
        self.says(Expected {
            what: "formatted, with a picture",
            typed: &typed,
            place: Place::Above,
            sent: &typed[1..],
            status: Some(Status::Waiting),
            tags: &["lamp"],
        })
        .await;
    }

    /// Where a client marks no quotes, answers between the lines come back and are never sent shortened (R43).
    async fn inline(&mut self) {
        const ANSWERS: &[(&str, &str)] =
            &[("Where is it?", "In the van."), ("I wait since Monday.", "We are sorry for that.")];
        let typed = ["#close", "See below."];
        if self.client.how("inline") == "held" {
            let (customer, _, sent) = self.answered(&typed, Place::Inline(ANSWERS)).await;
            self.check("inline", to(&sent, &customer).is_empty(), "is sent");
            let told = to(&sent, "anna@agents.example").iter().map(|l| l.text()).collect::<Vec<_>>().join("\n");
            for words in ["See below.", "In the van.", "We are sorry for that."] {
                self.check("inline", told.contains(words), &format!("{words} does not come back: {told}"));
            }
            let case = self.desk.cases().await.pop().expect("a case");
            self.check("inline", case.listed.case.status == Status::New, "is closed by halves");
            return;
        }
        self.says(Expected {
            what: "inline",
            typed: &typed,
            place: Place::Inline(ANSWERS),
            sent: &["See below.", "In the van.", "We are sorry for that."],
            status: Some(Status::Closed),
            tags: &[],
        })
        .await;
    }
}

/// A test by each client's name.
macro_rules! clients {
    ($($name:ident)*) => {
        $(#[tokio::test]
        async fn $name() {
            Story::of(stringify!($name)).await.all().await;
        })*

        #[test]
        fn every_client_has_its_test() {
            let folder = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/replies")).expect("replies");
            let mut found: Vec<String> = folder.flatten().map(|e| e.file_name().to_string_lossy().into_owned()).collect();
            found.sort();
            assert_eq!(found, [$(concat!(stringify!($name), ".txt")),*]);
        }
    };
}

clients! {
    apple_mail gmail_mobile gmail_web iphone neomutt outlook_desktop outlook_mobile outlook_web proton roundcube
    thunderbird yahoo
}

#[tokio::test]
async fn r43_where_the_parts_say_different_things_the_html_counts_and_nothing_is_mixed() {
    let mut story = Story::of("gmail_web").await;
    let (customer, relay) = story.opened().await;
    let page = story.client.replies(&relay, &["#close", "The page says Tuesday."], Place::Above);
    let raw = String::from_utf8(page).expect("text").replacen(
        "The page says Tuesday.",
        "#assign bob\r\nThe text says Friday.",
        1,
    );
    assert!(raw.contains("Friday") && raw.contains("Tuesday"), "one part each");
    story.desk.arrives("support", raw.as_bytes()).await;
    let sent = story.desk.sends().await;
    let mail = one_to(&sent, &customer);
    assert_eq!(mail.text().trim(), "The page says Tuesday.");
    assert!(!mail.everything().contains("Friday"), "{mail:?}");
    let case = story.desk.case().await.listed.case;
    assert_eq!((case.status, case.owner.as_deref()), (Status::Closed, Some("anna")));
}
