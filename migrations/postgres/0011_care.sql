-- Runs of the daemon that have begun and not ended by themselves.
CREATE TABLE runs (
    run TEXT NOT NULL PRIMARY KEY,
    started_at BIGINT NOT NULL
);

-- Mails at which the process ended, or that are being read with care: written before the reading, gone after it.
CREATE TABLE readings (
    event_id TEXT NOT NULL PRIMARY KEY,
    attempts BIGINT NOT NULL,               -- one a run
    run TEXT NOT NULL,
    version TEXT NOT NULL,                  -- the release that read it: another one may be mended
    at BIGINT NOT NULL
);

-- Notices on top of mail, by mailbox: what looks like one is a provider's if authors of many domains have it (R44).
CREATE TABLE notices (
    mailbox TEXT NOT NULL,
    words BYTEA NOT NULL,                    -- hash of the notice
    domain BYTEA NOT NULL,                   -- hash of it and of the author's organisation
    at BIGINT NOT NULL,                     -- last seen
    PRIMARY KEY (mailbox, words, domain)
);
CREATE INDEX notices_at ON notices (at);

-- Whom a line of a digest is for, where it is one agent (R60); NULL: all of the mailbox.
ALTER TABLE digest ADD COLUMN agent TEXT;
