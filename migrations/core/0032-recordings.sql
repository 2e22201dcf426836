-- 0032 What of a session was recorded (H-03 H-05). A row begins with a stream at the recorder and is whole when its file is; the
-- film itself lies on the share.
CREATE TABLE recording (
  nonce             TEXT    NOT NULL PRIMARY KEY CHECK (length(nonce) = 22),   -- of the stream
  session_id        TEXT    NOT NULL REFERENCES support_session (id) ON DELETE CASCADE,
  link_id           TEXT    NOT NULL CHECK (length(link_id) = 22),
  is_live           INTEGER NOT NULL CHECK (is_live IN (0, 1)),                -- somebody brings it just now
  live_at           INTEGER,                                                   -- ms UTC, of the first time; null: not known
  member_id         TEXT,                                                      -- technician; this and all below when finished
  technician        TEXT,
  forced            INTEGER CHECK (forced IN (0, 1)),
  started_at        INTEGER,                                                   -- ms UTC
  duration_ms       INTEGER,
  name              TEXT UNIQUE,                                               -- below `finished/`, without an ending
  bytes             INTEGER,
  sha256            TEXT,                                                      -- base64url
  stream_bytes      INTEGER,                                                   -- of the hashed stream, that are in it
  is_whole          INTEGER CHECK (is_whole IN (0, 1)),
  receipt_payload   TEXT,                                                      -- base64url; null: nothing was proved
  receipt_signature TEXT,
  manifest          TEXT,                                                      -- base64url, as it was signed
  manifest_kid      TEXT,
  manifest_signature TEXT,
  finished_at       INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX recording_by_session ON recording (session_id);

-- The applet's word for what it sent, the furthest of each stream. It may come before the recorder's.
CREATE TABLE recording_attestation (
  nonce       TEXT    NOT NULL PRIMARY KEY CHECK (length(nonce) = 22),
  session_id  TEXT    NOT NULL REFERENCES support_session (id) ON DELETE CASCADE,
  link_id     TEXT    NOT NULL CHECK (length(link_id) = 22),
  bytes       INTEGER NOT NULL,
  digest      TEXT    NOT NULL,              -- base64url of the SHA-256
  attested_at INTEGER NOT NULL,              -- ms UTC, as the applet knows it
  payload     BLOB    NOT NULL,
  signature   TEXT    NOT NULL               -- base64url
) STRICT, WITHOUT ROWID;
CREATE INDEX recording_attestation_by_session ON recording_attestation (session_id);
