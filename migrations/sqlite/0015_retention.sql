-- Closed cases, their mails and what lies in quarantine are kept for a time (R80).
ALTER TABLE cases ADD COLUMN on_hold BIGINT NOT NULL DEFAULT 0;     -- an operator keeps it
ALTER TABLE cases ADD COLUMN has_raw BIGINT NOT NULL DEFAULT 1;     -- its mails are there as they came and left
CREATE INDEX cases_closed ON cases (closed_at);
CREATE INDEX cases_with_raw ON cases (closed_at) WHERE has_raw = 1;
CREATE INDEX cases_merged ON cases (merged_into) WHERE merged_into IS NOT NULL;
CREATE INDEX calls_case ON calls (case_key) WHERE case_key IS NOT NULL;
CREATE INDEX outbox_unfiled ON outbox (created_at) WHERE case_key IS NULL;
CREATE INDEX mails_unfiled ON mails (at) WHERE case_key IS NULL AND length(raw) > 0;

-- Which entries have an attachment: without it every deletion would read all entries there are.
CREATE TABLE attached (
    blob TEXT NOT NULL,
    entry_id BIGINT NOT NULL,
    PRIMARY KEY (blob, entry_id)
);
INSERT INTO attached (blob, entry_id)
SELECT DISTINCT json_extract(part.value, '$.blob'), entries.id FROM entries, json_each(entries.parts) AS part
WHERE entries.parts <> '[]';
CREATE INDEX attached_entry ON attached (entry_id);

-- Cases that notifications became: their bodies stay as long as these.
CREATE TABLE adopted (
    body TEXT NOT NULL,
    case_key BIGINT NOT NULL,
    PRIMARY KEY (body, case_key)
);
INSERT INTO adopted (body, case_key)
SELECT notifications.body, notifications.case_key FROM cases JOIN notifications ON notifications.case_key = cases.case_key;
CREATE INDEX adopted_case ON adopted (case_key);

INSERT INTO counters (name, value) VALUES ('quarantine_forgotten', 0);
