-- What agents said of a case by mail.
ALTER TABLE cases ADD COLUMN tags TEXT NOT NULL DEFAULT '[]';
ALTER TABLE cases ADD COLUMN priority TEXT NOT NULL DEFAULT 'normal';   -- low, normal, high
ALTER TABLE cases ADD COLUMN snoozed_until BIGINT;                       -- when it comes back by itself
ALTER TABLE cases ADD COLUMN watchers TEXT NOT NULL DEFAULT '[]';        -- agents beside the owner
ALTER TABLE cases ADD COLUMN mend TEXT NOT NULL DEFAULT '';              -- merged:KEY, split:KEY: what can be undone
CREATE INDEX cases_owner ON cases (owner, status);

-- Somebody who is asked beside the case, and sees only what is written to them.
ALTER TABLE parties ADD COLUMN aside BIGINT NOT NULL DEFAULT 0;

-- The case where it was before a merge, to be given back by a split (R15).
ALTER TABLE parties ADD COLUMN origin BIGINT;
ALTER TABLE entries ADD COLUMN origin BIGINT;
ALTER TABLE known_ids ADD COLUMN origin BIGINT;
ALTER TABLE mails ADD COLUMN origin BIGINT;

-- Agents who are away, and when a case was last given to one in turn.
ALTER TABLE agents ADD COLUMN away_since BIGINT;
ALTER TABLE agents ADD COLUMN away_until BIGINT;
ALTER TABLE agents ADD COLUMN away_noticed BIGINT NOT NULL DEFAULT 0;    -- by a machine: ends when they write
ALTER TABLE agents ADD COLUMN given_at BIGINT NOT NULL DEFAULT 0;

-- What a due event is about, beside a case: an agent's short name.
ALTER TABLE agenda ADD COLUMN agent TEXT;
