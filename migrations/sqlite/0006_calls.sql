-- What applications are to be told: by a webhook or a command, at least once, under one id.
CREATE TABLE calls (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    call_id TEXT NOT NULL UNIQUE,           -- the same at every attempt
    application TEXT NOT NULL,
    kind TEXT NOT NULL,
    word TEXT NOT NULL,                     -- of an action
    label TEXT NOT NULL,                    -- what the word stands for
    recipient TEXT NOT NULL,                -- of the notification
    notification BIGINT NOT NULL,           -- its key
    case_key BIGINT,
    payload TEXT NOT NULL,                  -- JSON, the same at every attempt
    state TEXT NOT NULL,                    -- queued, taken, failed, cancelled, mailed, noted
    attempts BIGINT NOT NULL,
    next_attempt_at BIGINT NOT NULL,
    until BIGINT NOT NULL,                  -- what is not taken by then is given up
    last_reply TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    ended_at BIGINT
);
CREATE INDEX calls_due ON calls (application, state, next_attempt_at);
CREATE INDEX calls_notification ON calls (notification);

-- Whether too much comes back at once (R64).
CREATE INDEX suppressions_last ON suppressions (last_at);
