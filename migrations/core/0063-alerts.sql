-- 0063 Alerts (A-06): what needed a person, from when to when, and when syslog was told of it. One that is raised is not raised again
-- before it has ended. The audit log has the same, for ever; here it is for the page, and for what is still to be sent.
CREATE TABLE alert (
  id             INTEGER PRIMARY KEY,
  kind           TEXT    NOT NULL,
  about          TEXT    NOT NULL,
  text           TEXT    NOT NULL,   -- as it was when it was raised
  raised_at      INTEGER NOT NULL,   -- ms UTC, as all of these
  ended_at       INTEGER,            -- null while it lasts
  raised_sent_at INTEGER,            -- null until it was sent
  ended_sent_at  INTEGER
) STRICT;
CREATE UNIQUE INDEX alert_open ON alert (kind, about) WHERE ended_at IS NULL;
CREATE INDEX alert_unsent ON alert (id)
  WHERE raised_sent_at IS NULL OR (ended_at IS NOT NULL AND ended_sent_at IS NULL);
