-- The data of the desk. Times are milliseconds since 1970, booleans 0 or 1, lists JSON in TEXT.

-- Everything that happened, once: the id comes from the outside world.
CREATE TABLE events (
    id TEXT NOT NULL PRIMARY KEY,
    at BIGINT NOT NULL,
    kind TEXT NOT NULL,
    outcome TEXT NOT NULL,              -- handled, duplicate, ignored, held, quarantined
    rule TEXT NOT NULL,
    because TEXT NOT NULL,
    case_key BIGINT
);

-- Numbers that count up: 'reference' is the next case's.
CREATE TABLE counters (
    name TEXT NOT NULL PRIMARY KEY,
    value BIGINT NOT NULL
);
INSERT INTO counters (name, value) VALUES ('reference', 1001);

CREATE TABLE cases (
    case_key BIGINT NOT NULL PRIMARY KEY,   -- 64 bits, in tokens for ever
    reference BIGINT NOT NULL UNIQUE,       -- for people; gives no rights
    mailbox TEXT NOT NULL,
    subject TEXT NOT NULL,
    status TEXT NOT NULL,
    owner TEXT,
    customer TEXT NOT NULL,
    customer_key TEXT NOT NULL,             -- the address as it is compared
    customer_name TEXT NOT NULL,
    opened_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    closed_at BIGINT,
    due_at BIGINT,
    merged_into BIGINT,
    successor BIGINT,
    old BIGINT NOT NULL,
    messages BIGINT NOT NULL
);
CREATE INDEX cases_updated ON cases (updated_at);
CREATE INDEX cases_customer ON cases (customer_key, opened_at);

CREATE TABLE parties (
    case_key BIGINT NOT NULL REFERENCES cases (case_key),
    party BIGINT NOT NULL,                  -- 30 bits, in tokens
    address TEXT NOT NULL,
    name TEXT NOT NULL,
    has_passed BIGINT NOT NULL,
    PRIMARY KEY (case_key, party)
);

CREATE TABLE entries (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    case_key BIGINT NOT NULL REFERENCES cases (case_key),
    event_id TEXT NOT NULL,
    direction TEXT NOT NULL,
    author TEXT NOT NULL,
    author_name TEXT NOT NULL,
    standing TEXT NOT NULL,
    party BIGINT NOT NULL,
    sender TEXT NOT NULL,
    recipients TEXT NOT NULL,
    copies TEXT NOT NULL,
    subject TEXT NOT NULL,
    message_id TEXT,
    ancestors TEXT NOT NULL,
    at BIGINT NOT NULL,
    text TEXT NOT NULL,                     -- new words
    html TEXT NOT NULL,
    body TEXT NOT NULL,                     -- all of its decoded text
    parts TEXT NOT NULL,
    thread_topic TEXT,
    thread_index TEXT,
    silent BIGINT NOT NULL,
    relay_text TEXT NOT NULL                -- what the agents got of it, to know it again in quotes
);
CREATE INDEX entries_case ON entries (case_key, id);

CREATE TABLE case_log (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    case_key BIGINT NOT NULL REFERENCES cases (case_key),
    at BIGINT NOT NULL,
    kind TEXT NOT NULL,
    by_whom TEXT NOT NULL,
    rule TEXT NOT NULL,
    detail TEXT NOT NULL
);
CREATE INDEX case_log_case ON case_log (case_key, id);

-- Message-IDs by the first 16 octets of their SHA-256.
CREATE TABLE known_ids (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    hash BLOB NOT NULL,
    message_id TEXT NOT NULL,
    case_key BIGINT NOT NULL,
    mailbox TEXT NOT NULL,
    side TEXT NOT NULL,                     -- inbound, customer, agent
    agent TEXT,
    entry_id BIGINT
);
CREATE INDEX known_ids_hash ON known_ids (hash);
CREATE INDEX known_ids_case ON known_ids (case_key, id);

-- Every mail that arrived, whole.
CREATE TABLE mails (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    event_id TEXT NOT NULL UNIQUE,
    mailbox TEXT NOT NULL,
    message_id TEXT,
    content_hash BLOB NOT NULL,
    case_key BIGINT,
    opened BIGINT NOT NULL,                 -- it opened its case, without any token
    entry_id BIGINT,
    at BIGINT NOT NULL,
    size BIGINT NOT NULL,
    raw BLOB NOT NULL
);
CREATE INDEX mails_content ON mails (content_hash);
CREATE INDEX mails_entry ON mails (entry_id);

-- Attachments, encoded for sending, once each.
CREATE TABLE blobs (
    id TEXT NOT NULL PRIMARY KEY,
    content BLOB NOT NULL
);

CREATE TABLE outbox (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    event_id TEXT NOT NULL,
    number BIGINT NOT NULL,                 -- of the mails that the event caused
    case_key BIGINT,
    entry_id BIGINT,
    mailbox TEXT NOT NULL,
    purpose TEXT NOT NULL,
    priority BIGINT NOT NULL,
    agent TEXT,
    recipient TEXT NOT NULL,
    recipient_key TEXT NOT NULL,
    recipient_domain TEXT NOT NULL,
    reverse_path TEXT,
    bounce BIGINT NOT NULL,                 -- number in the bounce token
    message_id TEXT NOT NULL,
    message_hash BLOB NOT NULL,
    unauthenticated BIGINT NOT NULL,
    bytes BLOB NOT NULL,                    -- the mail, CRLF, but for its attachments
    splices TEXT NOT NULL,                  -- offset and blob of each attachment
    state TEXT NOT NULL,                    -- held, queued, sending, uncertain, sent, failed, cancelled
    attempts BIGINT NOT NULL,
    attempt BIGINT NOT NULL,                -- fences a lost lease
    uncertain BIGINT NOT NULL,
    next_attempt_at BIGINT NOT NULL,
    lease_until BIGINT NOT NULL,
    data_started BIGINT NOT NULL,
    last_reply TEXT NOT NULL,
    status TEXT NOT NULL,                   -- enhanced status of the end
    created_at BIGINT NOT NULL,
    ended_at BIGINT,
    UNIQUE (event_id, number)
);
CREATE INDEX outbox_due ON outbox (mailbox, state, next_attempt_at);
CREATE INDEX outbox_case ON outbox (case_key);
CREATE INDEX outbox_bounce ON outbox (bounce);
CREATE INDEX outbox_message ON outbox (message_hash);
CREATE INDEX outbox_recipient ON outbox (recipient_key, purpose, created_at);
CREATE INDEX outbox_automatic ON outbox (purpose, unauthenticated, created_at);

CREATE TABLE cursors (
    mailbox TEXT NOT NULL,
    folder TEXT NOT NULL,
    uidvalidity BIGINT NOT NULL,
    generation BIGINT NOT NULL,             -- of UIDs under one UIDVALIDITY: a server that hands UIDs out again
    uid_last BIGINT NOT NULL,
    uid_old BIGINT NOT NULL,                -- up to here mail was there when this epoch began
    taken_from BIGINT NOT NULL,             -- of that, older mail is passed over
    fresh_from BIGINT NOT NULL,             -- of that, newer mail counts as new
    started_at BIGINT NOT NULL,
    read_at BIGINT NOT NULL,                -- the last pass that reached the end of the folder
    PRIMARY KEY (mailbox, folder)
);

CREATE TABLE gaps (
    mailbox TEXT NOT NULL,
    folder TEXT NOT NULL,
    uidvalidity BIGINT NOT NULL,
    uid BIGINT NOT NULL,
    state TEXT NOT NULL,                    -- pending, gone, failed
    reason TEXT NOT NULL,
    attempts BIGINT NOT NULL,
    PRIMARY KEY (mailbox, folder, uidvalidity, uid)
);

-- What is to be done on the IMAP server after the commit.
CREATE TABLE errands (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    mailbox TEXT NOT NULL,
    folder TEXT NOT NULL,
    uidvalidity BIGINT NOT NULL,
    uid BIGINT NOT NULL,
    action TEXT NOT NULL
);
CREATE INDEX errands_folder ON errands (mailbox, folder, uidvalidity, id);

CREATE TABLE quarantine (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    event_id TEXT NOT NULL UNIQUE,
    mailbox TEXT NOT NULL,
    at BIGINT NOT NULL,
    reason TEXT NOT NULL,
    size BIGINT NOT NULL,
    old BIGINT NOT NULL,
    raw BLOB NOT NULL
);

CREATE TABLE accounts (
    mailbox TEXT NOT NULL,
    side TEXT NOT NULL,                     -- imap, smtp
    state TEXT NOT NULL,
    detail TEXT NOT NULL,
    since BIGINT NOT NULL,
    paused_until BIGINT NOT NULL,
    PRIMARY KEY (mailbox, side)
);
