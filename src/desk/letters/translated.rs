//! Letters to customers in other languages than English: `NAME.LANGUAGE.KIND`.

/// File name and content.
pub(super) const TRANSLATED: [(&str, &str); 24] = [
    ("acknowledge.nl.txt", include_str!("../../../config/letters/acknowledge.nl.txt")),
    ("acknowledge.nl.html", include_str!("../../../config/letters/acknowledge.nl.html")),
    ("acknowledge_constant.nl.subject", include_str!("../../../config/letters/acknowledge_constant.nl.subject")),
    ("acknowledge_constant.nl.txt", include_str!("../../../config/letters/acknowledge_constant.nl.txt")),
    ("acknowledge_constant.nl.html", include_str!("../../../config/letters/acknowledge_constant.nl.html")),
    ("just_reply.nl.txt", include_str!("../../../config/letters/just_reply.nl.txt")),
    ("acknowledge.de.txt", include_str!("../../../config/letters/acknowledge.de.txt")),
    ("acknowledge.de.html", include_str!("../../../config/letters/acknowledge.de.html")),
    ("acknowledge_constant.de.subject", include_str!("../../../config/letters/acknowledge_constant.de.subject")),
    ("acknowledge_constant.de.txt", include_str!("../../../config/letters/acknowledge_constant.de.txt")),
    ("acknowledge_constant.de.html", include_str!("../../../config/letters/acknowledge_constant.de.html")),
    ("just_reply.de.txt", include_str!("../../../config/letters/just_reply.de.txt")),
    ("acknowledge.fr.txt", include_str!("../../../config/letters/acknowledge.fr.txt")),
    ("acknowledge.fr.html", include_str!("../../../config/letters/acknowledge.fr.html")),
    ("acknowledge_constant.fr.subject", include_str!("../../../config/letters/acknowledge_constant.fr.subject")),
    ("acknowledge_constant.fr.txt", include_str!("../../../config/letters/acknowledge_constant.fr.txt")),
    ("acknowledge_constant.fr.html", include_str!("../../../config/letters/acknowledge_constant.fr.html")),
    ("just_reply.fr.txt", include_str!("../../../config/letters/just_reply.fr.txt")),
    ("acknowledge.es.txt", include_str!("../../../config/letters/acknowledge.es.txt")),
    ("acknowledge.es.html", include_str!("../../../config/letters/acknowledge.es.html")),
    ("acknowledge_constant.es.subject", include_str!("../../../config/letters/acknowledge_constant.es.subject")),
    ("acknowledge_constant.es.txt", include_str!("../../../config/letters/acknowledge_constant.es.txt")),
    ("acknowledge_constant.es.html", include_str!("../../../config/letters/acknowledge_constant.es.html")),
    ("just_reply.es.txt", include_str!("../../../config/letters/just_reply.es.txt")),
];
