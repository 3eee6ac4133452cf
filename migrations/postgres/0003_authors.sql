-- Who is speaking: agents whose mail has passed, words that wait for a word, addresses that belong to one person.

-- What our server said of an agent's mail. The agents themselves stand in the config only.
CREATE TABLE agents (
    agent TEXT NOT NULL PRIMARY KEY,
    welcomed_at BIGINT,
    heard_at BIGINT,
    opinion TEXT NOT NULL,                  -- of the last mail, in words
    proven_by TEXT NOT NULL                 -- whom we trusted when their mail passed; empty: it never has
);

-- How often the tokens of a case were revoked; it goes into the numbers that tokens bear.
ALTER TABLE cases ADD COLUMN generation BIGINT NOT NULL DEFAULT 0;

ALTER TABLE parties ADD COLUMN address_key TEXT NOT NULL DEFAULT '';
ALTER TABLE parties ADD COLUMN copied BIGINT NOT NULL DEFAULT 0;
ALTER TABLE parties ADD COLUMN replaced_by BIGINT;
UPDATE parties SET address_key = lower(address);
CREATE INDEX parties_address ON parties (address_key, has_passed);

-- An agent's words that were held: '' | 'waits' (for a word) | 'mend' (must be written anew) | 'sent' | 'dropped'.
ALTER TABLE entries ADD COLUMN held TEXT NOT NULL DEFAULT '';
-- The entry that an agent's mail answers.
ALTER TABLE entries ADD COLUMN answers BIGINT;
-- The party on whose reply address an inbound mail came, where that is somebody else than its author.
ALTER TABLE entries ADD COLUMN holder BIGINT NOT NULL DEFAULT 0;
