-- 0001 One key per support session (B-05): destroying the row destroys every chat line and custom field of that session.
-- This file is never part of the general backup.
CREATE TABLE session_key (
  session_id TEXT    NOT NULL PRIMARY KEY CHECK (length(session_id) = 22),
  wrapped    BLOB    NOT NULL CHECK (length(wrapped) = 60),   -- nonce 12, key 32, tag 16: AES-256-GCM under the key-encryption key
  created_at INTEGER NOT NULL                                 -- ms UTC
) STRICT, WITHOUT ROWID;
