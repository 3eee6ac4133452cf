use super::*;
use crate::mail::read::read as read_bytes;

/// Words for the labels: author, date, recipient, subject.
type Labels = [&'static str; 4];

const BODY: &str = "Guten Tag,\nthe lamp arrived in two pieces.\n\nJane";

fn mail(subject: &str, text: &str) -> Incoming {
    let raw = format!(
        "From: Anna <anna@agents.example>\nTo: support@shop.example\nSubject: {subject}\nMessage-ID: <f1@agents.example>\n\
         MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n{text}\n"
    );
    read_bytes(raw.as_bytes())
}

fn fixture(name: &str) -> Incoming {
    let path = format!("{}/tests/data/forward/{name}", env!("CARGO_MANIFEST_DIR"));
    read_bytes(&std::fs::read(&path).unwrap_or_else(|e| panic!("{path}: {e}")))
}

fn forwarded(mail: &Incoming) -> Forward {
    read(mail).unwrap_or_else(|| panic!("no forward in {:?}:\n{}", mail.subject, mail.text))
}

/// Author, name, subject, note and text of the original.
fn check(mail: &Incoming, name: &str, subject: &str, note: &str, text: &str) {
    let forward = forwarded(mail);
    let author = forward.original.author().unwrap_or_else(|| panic!("no author in\n{}", mail.text));
    assert_eq!(author.address.to_string(), "jane@customer.example", "{}", mail.text);
    assert_eq!(author.name, name, "{}", mail.text);
    assert_eq!(forward.original.subject, subject, "{}", mail.text);
    assert_eq!(forward.note, note, "{}", mail.text);
    assert_eq!(forward.original.text, text, "{}", mail.text);
}

fn block(labels: Labels, colon: &str) -> String {
    let [from, date, to, subject] = labels;
    format!(
        "{from}{colon} Jane Doe <jane@customer.example>\n{date}{colon} 4.5.2026 10:12\n{to}{colon} Anna <anna@agents.example>\n\
         {subject}{colon} Lamp: broken"
    )
}

const DE: Labels = ["Von", "Datum", "An", "Betreff"];
const EN: Labels = ["From", "Date", "To", "Subject"];
const FR: Labels = ["De", "Date", "À", "Objet"];
const NL: Labels = ["Van", "Datum", "Aan", "Onderwerp"];
const ES: Labels = ["De", "Fecha", "Para", "Asunto"];
const IT: Labels = ["Da", "Data", "A", "Oggetto"];
const PT: Labels = ["De", "Data", "Para", "Assunto"];
const PL: Labels = ["Od", "Data", "Do", "Temat"];
const SV: Labels = ["Från", "Datum", "Till", "Ämne"];
const DA: Labels = ["Fra", "Dato", "Til", "Emne"];
const FI: Labels = ["Lähettäjä", "Päivämäärä", "Vastaanottaja", "Aihe"];
const CS: Labels = ["Od", "Datum", "Komu", "Předmět"];
const RU: Labels = ["От", "Дата", "Кому", "Тема"];
const JA: Labels = ["差出人", "日付", "宛先", "件名"];
const ZH: Labels = ["发件人", "日期", "收件人", "主题"];
const TW: Labels = ["寄件者", "日期", "收件者", "主旨"];
const KO: Labels = ["보낸 사람", "날짜", "받는 사람", "제목"];
const TR: Labels = ["Kimden", "Tarih", "Kime", "Konu"];

/// Separators between dashes, as Gmail, Thunderbird, Yahoo, GMX and others write them.
const RULED: [(&str, Labels); 40] = [
    ("---------- Forwarded message ---------", EN),
    ("-------- Forwarded Message --------", EN),
    ("----- Forwarded Message -----", EN),
    ("============ Forwarded message ============", EN),
    ("---------- Weitergeleitete Nachricht ----------", DE),
    ("-------- Weitergeleitete Nachricht --------", DE),
    ("---------- Message transféré ---------", FR),
    ("-------- Message réexpédié --------", FR),
    ("---------- Doorgestuurd bericht ----------", NL),
    ("---------- Mensaje reenviado ----------", ES),
    ("-------- Mensaje reenviado --------", ES),
    ("---------- Messaggio inoltrato ----------", IT),
    ("-------- Messaggio Inoltrato --------", IT),
    ("---------- Mensagem encaminhada ----------", PT),
    ("-------- Mensagem reencaminhada --------", PT),
    ("---------- Przesłana dalej wiadomość ----------", PL),
    ("-------- Przekazana wiadomość --------", PL),
    ("---------- Vidarebefordrat meddelande ----------", SV),
    ("-------- Vidarebefordrat mejl --------", SV),
    ("---------- Videresendt meddelelse ----------", DA),
    ("-------- Videresendt melding --------", DA),
    ("---------- Välitetty viesti ----------", FI),
    ("---------- Edelleenlähetetty viesti ----------", FI),
    ("---------- Přeposlaná zpráva ----------", CS),
    ("-------- Пересылаемое сообщение --------", RU),
    ("-------- Перенаправленное сообщение --------", RU),
    ("---------- Переадресованное сообщение ----------", RU),
    ("---------- 転送メッセージ ----------", JA),
    ("-------- 転送されたメッセージ --------", JA),
    ("---------- 转发的邮件 ----------", ZH),
    ("-------- 转发的消息 --------", ZH),
    ("---------- 轉寄郵件 ----------", TW),
    ("---------- 전달된 메일 ----------", KO),
    ("-------- 전달된 메시지 --------", KO),
    ("---------- Yönlendirilmiş ileti ----------", TR),
    ("-------- İletilen Mesaj --------", TR),
    // a language that has no words here, with labels that are known
    ("-----Original Message-----", EN),
    ("-------- Originalnachricht --------", DE),
    ("-------- Message d'origine --------", FR),
    ("____________________", ES),
];

#[test]
fn r23_between_dashes_in_many_languages() {
    for (separator, labels) in RULED {
        for colon in [":", "\u{a0}:", "："] {
            let text = format!("Please look.\n\n{separator}\n{}\n\n\n{BODY}", block(labels, colon));
            check(&mail("Fwd: Lamp: broken", &text), "Jane Doe", "Lamp: broken", "Please look.", BODY);
        }
        let text = format!("{separator}\n\n{}\n\n{BODY}", block(labels, ":"));
        check(&mail("Fwd: x", &text), "Jane Doe", "Lamp: broken", "", BODY);
    }
}

#[test]
fn r23_a_mere_block_is_a_forward_unless_the_subject_says_answer() {
    for (labels, prefixes) in [
        (["From", "Sent", "To", "Subject"], &["FW: ", "Fwd: ", ""][..]),
        (["Von", "Gesendet", "An", "Betreff"], &["WG: "]),
        (["De", "Envoyé", "À", "Objet"], &["TR : ", "TR: "]),
        (["Van", "Verzonden", "Aan", "Onderwerp"], &["FW: ", "Doorst: "]),
        (["De", "Enviado", "Para", "Asunto"], &["RV: "]),
        (["Da", "Inviato", "A", "Oggetto"], &["I: "]),
        (["De", "Enviada em", "Para", "Assunto"], &["ENC: "]),
        (["Od", "Wysłano", "Do", "Temat"], &["PD: "]),
        (["Från", "Skickat", "Till", "Ämne"], &["VB: "]),
        (["Fra", "Sendt", "Til", "Emne"], &["VS: ", "Vs: "]),
        (["Lähettäjä", "Lähetetty", "Vastaanottaja", "Aihe"], &["VL: "]),
        (["Od", "Odesláno", "Komu", "Předmět"], &["FW: "]),
        (["От", "Отправлено", "Кому", "Тема"], &["FW: "]),
        (["差出人", "送信日時", "宛先", "件名"], &["FW: ", "転送: "]),
        (["发件人", "发送时间", "收件人", "主题"], &["转发: ", "转发："]),
        (["寄件者", "寄件日期", "收件者", "主旨"], &["轉寄: "]),
        (["보낸 사람", "보낸 날짜", "받는 사람", "제목"], &["FW: ", "전달: "]),
        (["Kimden", "Gönderildi", "Kime", "Konu"], &["İLT: "]),
    ] {
        let text = format!("Please look.\n\n________________________________\n{}\n\n{BODY}", block(labels, ":"));
        for prefix in prefixes {
            check(&mail(&format!("{prefix}Lamp: broken"), &text), "Jane Doe", "Lamp: broken", "Please look.", BODY);
        }
        for prefix in ["Re: ", "AW: ", "SV: ", "Antw: ", "Odp: ", "YNT: ", "回复："] {
            assert!(read(&mail(&format!("{prefix}Lamp"), &text)).is_none(), "{prefix}{labels:?}");
        }
    }
    let text = format!("Kiitos.\n\n{}\n\n{BODY}", block(["Lähettäjä", "Lähetetty", "Vastaanottaja", "Aihe"], ":"));
    assert!(read(&mail("VS: Lamppu", &text)).is_none(), "the Finnish for answer");
}

#[test]
fn r23_quoted_as_apple_mail_does() {
    for (opening, labels) in [
        ("Begin forwarded message:", EN),
        ("Anfang der weitergeleiteten Nachricht:", DE),
        ("Début du message réexpédié :", FR),
        ("Begin doorgestuurd bericht:", NL),
        ("Inicio del mensaje reenviado:", ES),
        ("Inizio messaggio inoltrato:", IT),
        ("Início da mensagem reencaminhada:", PT),
        ("Początek przekazywanej wiadomości:", PL),
        ("Vidarebefordrat brev:", SV),
        ("Start på videresendt besked:", DA),
        ("Videresendt melding:", DA),
        ("Välitetty viesti alkaa:", FI),
        ("Začátek přeposílané zprávy:", CS),
        ("Начало переадресованного сообщения:", RU),
        ("転送されたメッセージ:", JA),
        ("以下是转发的邮件：", ZH),
        ("以下是轉寄的郵件：", TW),
        ("전달된 메시지:", KO),
        ("İletilmiş mesajın başlangıcı:", TR),
    ] {
        let original = format!("{opening}\n\n{}\n\n{BODY}", block(labels, ":"));
        let quoted: Vec<String> = original.lines().map(|l| format!("> {l}").trim_end().to_owned()).collect();
        let text = format!("Please look.\n\n{}\n\nAnd be quick.", quoted.join("\n"));
        check(&mail("Fwd: Lamp", &text), "Jane Doe", "Lamp: broken", "Please look.\n\nAnd be quick.", BODY);
        // the announcement alone outside of the quote
        let quoted: Vec<String> = original.lines().skip(2).map(|l| format!("> {l}").trim_end().to_owned()).collect();
        let text = format!("Please look.\n\n{opening}\n\n{}", quoted.join("\n"));
        check(&mail("Fwd: Lamp", &text), "Jane Doe", "Lamp: broken", "Please look.", BODY);
    }
}

#[test]
fn r23_mutt_and_horde_name_the_author_and_say_where_it_ends() {
    let head = "Date: Mon, 4 May 2026 10:12:00 +0200\nFrom: Jane Doe <jane@customer.example>\nTo: anna@agents.example\n\
                Subject: Lamp: broken\nUser-Agent: Sundial/3";
    for (open, close) in [
        ("----- Forwarded message from Jane Doe <jane@customer.example> -----", "----- End forwarded message -----"),
        (
            "----- Weitergeleitete Nachricht von jane@customer.example -----",
            "----- Ende der weitergeleiteten Nachricht -----",
        ),
        ("----- Forwarded message from jane@customer.example -----", "----- End forwarded message -----"),
    ] {
        let text = format!("Please look.\n\n{open}\n\n{head}\n\n{BODY}\n\n{close}\n\n-- \nAnna");
        check(&mail("Fwd: Lamp", &text), "Jane Doe", "Lamp: broken", "Please look.", BODY);
    }
    let text = format!(
        "----- Forwarded message from Jane Doe <jane@customer.example> -----\n\n{BODY}\n\n----- End forwarded message -----\n"
    );
    check(&mail("Fwd: Lamp: broken", &text), "Jane Doe", "Lamp: broken", "", BODY);
    let quoted: Vec<String> = BODY.lines().map(|l| format!("> {l}").trim_end().to_owned()).collect();
    let text = format!("------- Forwarded Message -------\n{}\n\n{}\n", block(EN, ":"), quoted.join("\n"));
    check(&mail("Fw: Lamp", &text), "Jane Doe", "Lamp: broken", "", BODY);
}

#[test]
fn r23_a_whole_header_is_read_as_one() {
    let head = "Return-Path: <jane@customer.example>\nReceived: from mx.customer.example ([192.0.2.1])\n\tby mx.agents.example; today\n\
                X-Spam-Flag: YES\nFrom: Jane Doe <jane@customer.example>\nTo: anna@agents.example\nSubject: Lamp:\n broken\n\
                Message-ID: <lamp-1@customer.example>\nReferences: <lamp-0@customer.example>\nContent-Type: text/plain";
    let text = format!(
        "Please look.\n\n----- Forwarded message from Jane Doe <jane@customer.example> -----\n\n{head}\n\n{BODY}\n\n----- End forwarded message -----"
    );
    let mail = mail("[jane@customer.example: Lamp: broken]", &text);
    check(&mail, "Jane Doe", "Lamp: broken", "Please look.", BODY);
    let original = forwarded(&mail).original;
    assert_eq!(original.message_id.as_ref().map(|id| id.as_str()), Some("<lamp-1@customer.example>"));
    assert_eq!(original.references.len(), 1);
    assert!(!original.spam && original.trace.is_empty() && original.delivered_to.is_empty());
}

#[test]
fn r23_how_authors_are_written() {
    for (written, name) in [
        ("Jane Doe <jane@customer.example>", "Jane Doe"),
        ("\"Doe, Jane\" <jane@customer.example>", "Doe, Jane"),
        ("jane@customer.example", ""),
        ("<jane@customer.example>", ""),
        ("Jane Doe [mailto:jane@customer.example]", "Jane Doe"),
        ("jane@customer.example [mailto:jane@customer.example]", ""),
        ("Jane Doe <jane@customer.example<mailto:jane@customer.example>>", "Jane Doe"),
        ("Jane Doe <mailto:jane@customer.example>", "Jane Doe"),
        ("Jane Doe (jane@customer.example)", "Jane Doe"),
        ("'Jane Doe' via Orders <jane@customer.example>", "Jane Doe' via Orders"),
        ("*Jane Doe* <jane@customer.example>", "Jane Doe"),
        ("Jane Doe\n <jane@customer.example>", "Jane Doe"),
        ("chief@victim.example <jane@customer.example>", "chief@victim.example"),
        ("\"Chief <chief@victim.example>\" <jane@customer.example>", "Chief"),
    ] {
        let text = format!(
            "---------- Forwarded message ---------\n*From:* {written}\n*Date:* today\n*To:* anna@agents.example,\n bob@agents.example\n\
             *Subject:* Lamp: broken\n\n{BODY}"
        );
        check(&mail("Fwd: Lamp", &text), name, "Lamp: broken", "", BODY);
    }
    for written in ["Jane Doe", "jane@customer.example max@customer.example", "Doe, Jane", "Jane <jane@>"] {
        let text =
            format!("---------- Forwarded message ---------\nFrom: {written}\nDate: today\nSubject: x\n\n{BODY}");
        let forward = forwarded(&mail("Fwd: Lamp", &text));
        assert!(forward.original.from.is_empty(), "{written}: {:?}", forward.original.from);
    }
}

#[test]
fn r23_only_the_first_frame_counts() {
    let inner = format!(
        "Chief here.\n\n---------- Forwarded message ---------\nFrom: Chief <chief@victim.example>\nDate: today\nTo: all\nSubject: Pay\n\n{BODY}"
    );
    let text = format!("Look.\n\n---------- Forwarded message ---------\n{}\n\n{inner}", block(EN, ":"));
    check(&mail("Fwd: Lamp", &text), "Jane Doe", "Lamp: broken", "Look.", &inner);
    // labels right below the block are the original's own words
    let claims = format!("From: Chief <chief@victim.example>\nReply-To: chief@victim.example\nSubject: Pay\n\n{BODY}");
    for gap in ["\n\n", "\n"] {
        let text = format!("---------- Forwarded message ---------\n{}{gap}{claims}", block(EN, ":"));
        check(&mail("Fwd: Lamp", &text), "Jane Doe", "Lamp: broken", "", &claims);
    }
}

#[test]
fn an_answer_is_no_forward() {
    for (subject, text) in [
        (
            "Re: Lamp",
            format!(
                "Thank you.\n\nOn Mon, 4 May 2026 at 10:12, Jane Doe <jane@customer.example> wrote:\n> Hello\n> {BODY}"
            ),
        ),
        (
            "Re: Fwd: Lamp",
            format!(
                "Done.\n\nOn Mon, 4 May 2026 at 10:12, Max <max@agents.example> wrote:\n\n---------- Forwarded message ---------\n{}\n\n{BODY}",
                block(EN, ":")
            ),
        ),
        ("Lamp", "Please forward this to:\nMax\n\nThank you".to_owned()),
        ("Lamp", "From: us\nTo: you\nwith love".to_owned()),
        ("Fwd: Lamp", "no block at all".to_owned()),
        (
            "Fwd: Lamp",
            "> only\n> a quote\n\n---------- Forwarded message ---------\nFrom: a@b.example\nTo: c\nDate: d".to_owned(),
        ),
        ("Parcel", String::new()),
    ] {
        assert!(read(&mail(subject, &text)).is_none(), "{subject}: {text}");
    }
}

#[test]
fn r23_html_as_clients_write_it() {
    for name in ["gmail.eml", "outlook.eml", "apple.eml", "thunderbird.eml", "yahoo.eml", "outlook_mobile.eml"] {
        let mail = fixture(name);
        let forward = forwarded(&mail);
        let author = forward.original.author().unwrap_or_else(|| panic!("{name}: no author"));
        assert_eq!(
            (author.address.to_string().as_str(), author.name.as_str()),
            ("jane@customer.example", "Jane Doe"),
            "{name}"
        );
        assert_eq!(forward.original.subject, "Lamp broken", "{name}");
        assert_eq!(forward.note, "Can somebody take this one?", "{name}");
        assert!(forward.original.text.starts_with("Hello,"), "{name}: {}", forward.original.text);
        assert!(forward.original.text.contains("two pieces"), "{name}: {}", forward.original.text);
        let html = forward.original.html.unwrap_or_default();
        assert!(html.contains("<b>two pieces</b>"), "{name}: {html}");
        for foreign in ["take this one", "customer.example", "anna", "<blockquote", "orwarded"] {
            assert!(!html.contains(foreign), "{name} has {foreign}: {html}");
            assert!(!forward.original.text.contains(foreign), "{name} has {foreign}: {}", forward.original.text);
        }
        let reading = reply::read_customer(&forward.original.text, Some(&html), &reply::Known::default());
        assert!(reading.words.starts_with("Hello,") && reading.words.contains("two pieces"), "{name}: {reading:?}");
    }
}

#[test]
fn r23_attached_mail_is_the_original_with_its_attachments() {
    for name in ["attached.eml", "attached_octet_stream.eml"] {
        let forward = forwarded(&fixture(name));
        assert_eq!(forward.attachment, Some(0), "{name}");
        assert_eq!(forward.note, "Can somebody take this one?", "{name}");
        let original = &forward.original;
        assert_eq!(
            original.author().map(|a| a.address.to_string()).as_deref(),
            Some("jane@customer.example"),
            "{name}"
        );
        assert_eq!(original.subject, "Lamp broken", "{name}");
        assert_eq!(original.message_id.as_ref().map(|id| id.as_str()), Some("<lamp-1@customer.example>"), "{name}");
        assert!(original.text.contains("two pieces"), "{name}");
        let names: Vec<&str> = original.attachments.iter().map(|a| a.name.as_str()).collect();
        assert_eq!(names, ["lamp.txt"], "{name}");
        assert!(
            original.trace.is_empty() && !original.spam,
            "{name}: what the inner mail says of itself is no verdict"
        );
    }
}

#[test]
fn r23_a_stranger_s_attachment_does_not_speak_for_the_mail_that_carried_it() {
    let mail = fixture("claims.eml");
    let forward = forwarded(&mail);
    let author = forward.original.author().map(|a| a.address.to_string());
    assert_eq!(author.as_deref(), Some("mallory@elsewhere.example"));
    assert_eq!(forward.original.attachments.len(), 1, "the attached mail stays an attachment");
    // in a language that nobody taught us the author is not known, and the attachment is not taken for the original
    let text = mail.text.replace("From:", "Mistä:").replace("Date:", "Milloin:").replace("To:", "Minne:");
    let text = text.replace("Subject:", "Mitä:").replace("---------- Forwarded message ---------", "");
    assert!(read(&Incoming { text, html: None, ..mail }).is_none());
}
