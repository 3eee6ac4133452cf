-- Closed cases, their mails and what lies in quarantine are kept for a time (R80).
ALTER TABLE cases ADD COLUMN on_hold BIGINT NOT NULL DEFAULT 0;     -- an operator keeps it
ALTER TABLE cases ADD COLUMN has_raw BIGINT NOT NULL DEFAULT 1;     -- its mails are there as they came and left
CREATE INDEX cases_closed ON cases (closed_at);
CREATE INDEX cases_with_raw ON cases (closed_at) WHERE has_raw = 1;
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

INSERT INTO counters (name, value) VALUES ('quarantine_forgotten', 0);
