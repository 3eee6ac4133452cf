-- Words of entries, for `case search`; the text itself stands in `entries`.
CREATE TABLE entry_words (
    entry_id BIGINT NOT NULL PRIMARY KEY,
    words TSVECTOR NOT NULL
);
CREATE INDEX entry_words_words ON entry_words USING gin (words);

-- A claim walks the rows of one state and one priority in the order in which they are due.
DROP INDEX outbox_due;
CREATE INDEX outbox_due ON outbox (mailbox, state, priority, next_attempt_at);

INSERT INTO entry_words (entry_id, words)
SELECT id, to_tsvector('simple', left(regexp_replace(
    subject || ' ' || author_name || ' ' || author || ' ' || text, '[^[:alnum:]]+', ' ', 'g'), 100000)) FROM entries;
