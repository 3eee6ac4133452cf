-- Words of entries, for `case search`; the text itself stands in `entries`.
CREATE VIRTUAL TABLE entry_words USING fts5 (
    words, content = '', contentless_delete = 1, tokenize = 'unicode61 remove_diacritics 0'
);

-- A claim walks the rows of one state and one priority in the order in which they are due.
DROP INDEX outbox_due;
CREATE INDEX outbox_due ON outbox (mailbox, state, priority, next_attempt_at);

INSERT INTO entry_words (rowid, words)
SELECT id, subject || ' ' || author_name || ' ' || author || ' ' || text FROM entries;
