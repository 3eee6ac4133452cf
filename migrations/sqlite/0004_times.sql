-- What is to happen at a time. The id is the event's that it becomes, so that a timer that fires twice does nothing twice.
CREATE TABLE agenda (
    id TEXT NOT NULL PRIMARY KEY,
    at BIGINT NOT NULL,
    kind TEXT NOT NULL,                     -- digest, spam_ends, breaker
    mailbox TEXT NOT NULL,
    case_key BIGINT
);
CREATE INDEX agenda_at ON agenda (at);

-- What the next digest of a mailbox names, and what the last ones named.
CREATE TABLE digest (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    mailbox TEXT NOT NULL,
    kind TEXT NOT NULL,                     -- held, spam, limit
    case_key BIGINT NOT NULL,
    at BIGINT NOT NULL,
    detail TEXT NOT NULL,
    named_at BIGINT
);
CREATE INDEX digest_unnamed ON digest (mailbox, named_at, id);
CREATE INDEX digest_case ON digest (case_key);

-- The folder of a mail was the one for spam (R34).
ALTER TABLE mails ADD COLUMN junk BIGINT NOT NULL DEFAULT 0;
CREATE INDEX mails_case ON mails (case_key);
CREATE INDEX events_audit ON events (kind, outcome, rule);
