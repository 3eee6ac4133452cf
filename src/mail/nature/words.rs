//! Words of machines in subjects, in many languages: the last resort.
//!
//! Decides   nothing by itself: a subject that begins so may still be a person's.
//! Follows   what Outlook, Gmail, Notes, vacation(1) and mail systems write when nobody changes it.
//! Never     holds a word that people begin their subjects with, without a machine's colon or phrase after it.

/// What answering machines write anywhere in a subject, lower case.
pub const AUTO_REPLY_PHRASES: &[&str] =
    &["out of office autoreply", "out of office: automatic", "automatic reply: out of office"];

/// Beginnings of subjects of out-of-office replies, lower case.
pub const AUTO_REPLY_SUBJECTS: &[&str] = &[
    "out of office",
    "out of the office",
    "automatic reply",
    "automatic response",
    "auto reply",
    "auto-reply",
    "autoreply",
    "auto response",
    "auto-response",
    "auto:",
    "[auto-reply]",
    "vacation reply",
    "away from",
    "i am out of the office",
    "abwesenheitsnotiz",
    "abwesenheitsnachricht",
    "automatische antwort",
    "abwesend",
    "afwezig",
    "automatisch antwoord",
    "réponse automatique",
    "message d'absence",
    "absence du bureau",
    "respuesta automática",
    "respuesta automatica",
    "fuera de la oficina",
    "resposta automàtica",
    "risposta automatica",
    "fuori sede",
    "fuori ufficio",
    "resposta automática",
    "autosvar",
    "automatiskt svar",
    "automatisk svar",
    "frånvaromeddelande",
    "odpowiedź automatyczna",
    "automatyczna odpowiedź",
    "automatická odpověď",
    "automatická odpoveď",
    "automatinen vastaus",
    "automaattinen vastaus",
    "automaatvastus",
    "automātiska atbilde",
    "automatinis atsakymas",
    "automatikus válasz",
    "automatski odgovor",
    "samodejni odgovor",
    "răspuns automat",
    "otomatik yanıt",
    "αυτόματη απάντηση",
    "автоматический ответ",
    "автоответ",
    "автоматична відповідь",
    "автоматичен отговор",
    "自动答复",
    "自动回复",
    "自動回覆",
    "自動応答",
    "自動返信",
    "不在通知",
    "자동 회신",
    "자동 응답",
    "부재중",
    "balasan otomatis",
    "trả lời tự động",
    "ตอบกลับอัตโนมัติ",
    "מענה אוטומטי",
    "رد تلقائي",
    "الرد التلقائي",
];

/// Beginnings of subjects of delivery failures, lower case.
pub const BOUNCE_SUBJECTS: &[&str] = &[
    "undeliverable",
    "undelivered mail",
    "delivery status notification",
    "mail delivery failed",
    "mail delivery failure",
    "failure notice",
    "returned mail",
    "delivery failure",
    "mail system error",
    "message status - undeliverable",
    "unzustellbar",
    "delivery has failed",
    "mail delivery system",
    "non delivery",
    "non-delivery",
    "warning: message",
    "mail could not be delivered",
];

/// Words of challenge-response systems in subjects, lower case.
pub const CHALLENGES: &[&str] = &[
    "please confirm your message",
    "please confirm your email to",
    "verify your email to deliver",
    "sender verification",
    "challenge-response",
    "spamarrest",
    "your message is waiting for your confirmation",
    "confirm that you are human",
];

/// What Outlook puts behind a name in the subject of a reaction, lower case.
pub const REACTIONS: &[&str] = &[
    " reacted to your message",
    " hat auf ihre nachricht reagiert",
    " a réagi à votre message",
    " heeft gereageerd op uw bericht",
    " ha reaccionado a su mensaje",
    " reaccionó a tu mensaje",
    " ha reagito al tuo messaggio",
    " reagiu à sua mensagem",
    " reagerade på ditt meddelande",
];

/// What Outlook writes when it calls a mail back: beginnings of the subject and of the text, lower case.
pub const RECALLS: &[(&str, &str)] = &[
    ("recall: ", "would like to recall the message"),
    ("rückruf: ", "möchte die nachricht"),
    ("rappel : ", "souhaite rappeler le message"),
    ("intrekken: ", "wil het bericht"),
];
