//! Words that clients write round a forwarded mail, in many languages, lower case.

/// Stems of "forwarded".
const FORWARD: &[&str] = &[
    "forward",
    "weitergeleit",
    "weiterleit",
    "transfér",
    "transfer",
    "réexpédi",
    "réacheminé",
    "doorgestuur",
    "doorgezonden",
    "doorsturen",
    "reenvia",
    "reenvío",
    "inoltr",
    "encaminhad",
    "przekaz",
    "przesłan",
    "przesyłan",
    "vidarebefordr",
    "videresend",
    "vidaresend",
    "välitet",
    "edelleenlähe",
    "přepos",
    "preposl",
    "пересл",
    "пересыл",
    "переадрес",
    "перенаправ",
    "переслан",
    "転送",
    "转发",
    "轉寄",
    "轉發",
    "전달",
    "yönlendiril",
    "iletil",
    "továbbít",
    "προωθημέν",
    "redirecționat",
    "proslijeđen",
    "edastatud",
    "persiųst",
    "pārsūtīt",
    "הועבר",
    "chuyển tiếp",
    "diteruskan",
];

/// Labels of the author that are not in the vocabulary of replies.
const FROM: &[&str] = &[
    "от кого",
    "送信者",
    "送信元",
    "出典",
    "寄件人",
    "de (from)",
    "from (de)",
    "sender",
    "kimden",
    "avsändare",
    "avsender",
    "afsender",
];

/// Labels of the subject.
const SUBJECT: &[&str] = &[
    "subject",
    "betreff",
    "objet",
    "sujet",
    "onderwerp",
    "asunto",
    "oggetto",
    "assunto",
    "temat",
    "ämne",
    "emne",
    "aihe",
    "předmět",
    "тема",
    "件名",
    "主题",
    "主旨",
    "主題",
    "标题",
    "제목",
    "konu",
    "tárgy",
    "предмет",
    "θέμα",
    "subiect",
    "predmet",
    "teema",
];

/// Labels of the recipients.
const TO: &[&str] = &[
    "to",
    "an",
    "à",
    "pour",
    "aan",
    "para",
    "a",
    "do",
    "till",
    "til",
    "vastaanottaja",
    "komu",
    "кому",
    "宛先",
    "收件人",
    "收件者",
    "받는 사람",
    "받는사람",
    "kime",
    "alıcı",
    "címzett",
    "către",
    "destinataire",
    "destinatario",
    "προς",
];

/// Labels of those who got a copy.
const COPY: &[&str] = &[
    "cc",
    "kopie",
    "kopia",
    "kopi",
    "kopio",
    "copie à",
    "copie",
    "copia",
    "dw",
    "копия",
    "抄送",
    "副本",
    "참조",
    "bilgi",
];

/// Labels that are none of these and stand in no vocabulary of replies.
const OTHER: &[&str] = &[
    "sent",
    "date",
    "attachments",
    "attachment",
    "anlagen",
    "anhänge",
    "pièces jointes",
    "bijlagen",
    "adjuntos",
    "datos adjuntos",
    "allegati",
    "anexos",
    "załączniki",
    "bilagor",
    "vedlegg",
    "vedhæftede filer",
    "liitteet",
    "přílohy",
    "вложения",
    "添付ファイル",
    "附件",
    "첨부 파일",
    "ekler",
    "importance",
    "wichtigkeit",
    "importancia",
    "priority",
    "priorität",
    "priorité",
    "enviada em",
    "enviado em",
    "enviada",
    "datum/uhrzeit",
    "päiväys",
    "日付",
    "发件时间",
    "寄件日期",
    "傳送日期",
    "gönderme tarihi",
    "resent-from",
    "from name",
    "list-id",
    "user-agent",
    "x-mailer",
    "дата отправки",
    "sensitivity",
    "received",
];

/// What a line of a header block labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Label {
    /// The author.
    From,
    /// The subject.
    Subject,
    /// The recipients.
    To,
    /// Recipients of a copy.
    Copy,
    /// Anything else that stands there.
    Other,
}

/// A label, in lower case.
pub fn label(word: &str) -> Option<Label> {
    use super::super::reply::vocabulary::{FROM_LABELS, OTHER_LABELS};
    let is = |list: &[&str]| list.contains(&word);
    // `a` and `do` label recipients, `da` and `de` authors
    match () {
        () if is(SUBJECT) => Some(Label::Subject),
        () if is(TO) => Some(Label::To),
        () if is(COPY) => Some(Label::Copy),
        () if is(FROM) || is(FROM_LABELS) => Some(Label::From),
        () if is(OTHER) || is(OTHER_LABELS) => Some(Label::Other),
        () => None,
    }
}

/// Is "forwarded" said in this line?
pub fn says_forward(line: &str) -> bool {
    let lower = line.to_lowercase().replace('\u{307}', "");
    FORWARD.iter().any(|stem| lower.contains(stem))
}

/// Is this label Finnish?
pub fn is_finnish(label: &str) -> bool {
    label == "lähettäjä"
}
