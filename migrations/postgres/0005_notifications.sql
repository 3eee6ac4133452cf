-- What applications handed in, by the key of the case that a reply opens (R72).
CREATE TABLE notifications (
    case_key BIGINT NOT NULL PRIMARY KEY,
    at BIGINT NOT NULL,
    application TEXT NOT NULL,
    mailbox TEXT NOT NULL,
    recipient TEXT NOT NULL,
    recipient_name TEXT NOT NULL,
    sender TEXT NOT NULL,
    sender_name TEXT NOT NULL,
    subject TEXT NOT NULL,
    message_id TEXT NOT NULL,
    message_hash BYTEA NOT NULL,
    digest BYTEA NOT NULL,                   -- of what was handed in
    text TEXT NOT NULL,                     -- all of its decoded text
    context TEXT NOT NULL,                  -- what the application says of it
    owner TEXT,
    subject_tag TEXT,
    phrases BIGINT NOT NULL,                -- sentences that told not to answer
    header BYTEA NOT NULL,                   -- as handed in
    body TEXT NOT NULL                      -- blob
);
CREATE INDEX notifications_message ON notifications (message_hash);

-- Addresses that notifications do not go to (R64).
CREATE TABLE suppressions (
    recipient_key TEXT NOT NULL PRIMARY KEY,
    first_at BIGINT NOT NULL,
    last_at BIGINT NOT NULL,
    days BIGINT NOT NULL,                   -- different days on which a notification came back
    status TEXT NOT NULL,
    diagnostic TEXT NOT NULL
);

-- What the application that opened a case said of it.
ALTER TABLE cases ADD COLUMN context TEXT NOT NULL DEFAULT '[]';
