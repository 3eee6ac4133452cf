-- Bodies of notifications: packed, stored once for all their recipients, and gone when the last of those is (R80).
CREATE TABLE bodies (
    id TEXT NOT NULL PRIMARY KEY,           -- body:HASH of what was handed in
    content BLOB NOT NULL,                  -- deflated (RFC 1951), or as it is where size is NULL
    size BIGINT,                            -- octets before
    used_at BIGINT NOT NULL                 -- when the newest notification with this body was taken
);

ALTER TABLE notifications ADD COLUMN event_id TEXT NOT NULL DEFAULT '';
UPDATE notifications SET event_id = COALESCE((
    SELECT outbox.event_id FROM outbox WHERE outbox.case_key = notifications.case_key AND outbox.purpose = 'notification' LIMIT 1
), '');
CREATE INDEX notifications_at ON notifications (at);

INSERT INTO counters (name, value) VALUES ('notifications_forgotten', 0);
