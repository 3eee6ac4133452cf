-- The shared mailbox as a desk: where the copy of each entry lies in its folders.
CREATE TABLE copies (
    mailbox TEXT NOT NULL,
    entry_id BIGINT NOT NULL,
    marker TEXT NOT NULL,                   -- stands in the copy's header
    place TEXT NOT NULL,                    -- the folder where it is believed to lie; empty: nowhere
    going TEXT NOT NULL,                    -- where a step takes it whose end was not seen; empty: none is under way
    PRIMARY KEY (mailbox, entry_id)
);
