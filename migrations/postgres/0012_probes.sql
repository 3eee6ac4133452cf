-- Probes: mail of ours to ourselves, to see that it can be answered (R95). Rows stay for 30 days, mails until the next one.
CREATE TABLE probes (
    case_key BIGINT NOT NULL PRIMARY KEY,   -- of the case that its answer opens
    mailbox TEXT NOT NULL,
    message_id TEXT NOT NULL,
    begun_at BIGINT NOT NULL,
    until BIGINT NOT NULL,                  -- it must have come full circle by then
    submitted_at BIGINT,
    received_at BIGINT,
    answered_at BIGINT,
    opened_at BIGINT,
    ended_at BIGINT,
    step TEXT NOT NULL,                     -- at which it failed; empty
    detail TEXT NOT NULL,
    reference BIGINT,                       -- the number of its case
    kept BIGINT NOT NULL                    -- its mails are still there
);
CREATE INDEX probes_mailbox ON probes (mailbox, begun_at);
