-- 0001 One month of the hash-chained log (G-01 G-03 G-04). Sequence numbers rise through the months without a hole.
CREATE TABLE audit_entry (
  seq        INTEGER NOT NULL PRIMARY KEY,
  log        TEXT    NOT NULL,
  at         INTEGER NOT NULL,   -- ms UTC
  event      TEXT    NOT NULL,
  actor_kind TEXT    NOT NULL,
  actor_id   TEXT,
  actor_name TEXT,
  address    TEXT,
  session_id TEXT,
  subject    TEXT,
  detail     TEXT,
  body       BLOB,
  body_hash  BLOB,
  hash       BLOB    NOT NULL CHECK (length(hash) = 32)
) STRICT;

CREATE INDEX audit_entry_by_time    ON audit_entry (at);
CREATE INDEX audit_entry_by_actor   ON audit_entry (actor_id, at) WHERE actor_id IS NOT NULL;
CREATE INDEX audit_entry_by_session ON audit_entry (session_id) WHERE session_id IS NOT NULL;
