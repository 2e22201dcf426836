-- 0002 The hash-chained log (G-01 G-02 G-03): entries wait here, written in the very transaction of the act they tell of,
-- until the mover copies them to the month's file. Row 1 of audit_state is the last entry that was moved.
CREATE TABLE audit_state (
  one  INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
  log  TEXT    NOT NULL CHECK (length(log) = 22),   -- incarnation: 16 random bytes, base64url; new after a restore
  seq  INTEGER NOT NULL CHECK (seq >= 0),
  hash BLOB    NOT NULL CHECK (length(hash) = 32)   -- zeroes before the first entry
) STRICT;

CREATE TABLE audit_pending (
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
  detail     TEXT,               -- canonical JSON
  body       BLOB,               -- sealed under the session's key; null where there is none or it was erased
  body_hash  BLOB,               -- SHA-256 of the sealed body, stays when the body goes
  hash       BLOB    NOT NULL CHECK (length(hash) = 32)
) STRICT;

-- Heads signed by the signer. They also go elsewhere, so that a log rewritten whole is found.
CREATE TABLE audit_head (
  log       TEXT    NOT NULL,
  seq       INTEGER NOT NULL,
  hash      BLOB    NOT NULL CHECK (length(hash) = 32),
  at        INTEGER NOT NULL,
  kid       TEXT    NOT NULL,
  signature TEXT    NOT NULL,     -- base64url
  PRIMARY KEY (log, seq)
) STRICT, WITHOUT ROWID;
