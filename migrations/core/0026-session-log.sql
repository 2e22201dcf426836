-- 0026 What keeps the log of a session whole: chat lines are stored once whoever sends them again, actions are told by two
-- sources and compared.
CREATE TABLE chat_line (
  session_id TEXT    NOT NULL REFERENCES support_session (id) ON DELETE CASCADE,
  line_id    TEXT    NOT NULL CHECK (length(line_id) = 22),
  place      INTEGER NOT NULL,                                -- 1, 2, 3 … within the session
  author     TEXT    NOT NULL CHECK (author IN ('technician', 'customer', 'appliance')),
  at         INTEGER NOT NULL,                                -- ms UTC
  mark       BLOB    NOT NULL,                                -- sealed SHA-256 of the text: same id, same line?
  PRIMARY KEY (session_id, line_id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX chat_line_in_order ON chat_line (session_id, place);

CREATE TABLE session_action (
  session_id    TEXT    NOT NULL REFERENCES support_session (id) ON DELETE CASCADE,
  consent_id    TEXT    NOT NULL CHECK (length(consent_id) = 22),
  action        TEXT    NOT NULL,
  applet_stage  TEXT    CHECK (applet_stage IN ('asked', 'granted', 'refused', 'started', 'ended')),
  console_stage TEXT    CHECK (console_stage IN ('asked', 'granted', 'refused', 'started', 'ended')),
  changed_at    INTEGER NOT NULL,                             -- ms UTC
  mismatch_told INTEGER NOT NULL DEFAULT 0 CHECK (mismatch_told IN (0, 1)),
  PRIMARY KEY (session_id, consent_id)
) STRICT, WITHOUT ROWID;

-- Replies a technician has ready (E-03): shared ones have no owner.
CREATE TABLE reply (
  id       TEXT    NOT NULL PRIMARY KEY CHECK (length(id) = 22),
  owner_id TEXT    CHECK (length(owner_id) = 22),
  title    TEXT    NOT NULL CHECK (length(title) BETWEEN 1 AND 80),
  text     TEXT    NOT NULL CHECK (length(text) BETWEEN 1 AND 4000)
) STRICT;
CREATE INDEX reply_by_owner ON reply (owner_id);

-- One grant for each yes.
CREATE TABLE issued_grant (
  session_id TEXT    NOT NULL REFERENCES support_session (id) ON DELETE CASCADE,
  consent_id TEXT    NOT NULL CHECK (length(consent_id) = 22),
  action     TEXT    NOT NULL,
  issued_at  INTEGER NOT NULL,                                -- ms UTC
  PRIMARY KEY (session_id, consent_id)
) STRICT, WITHOUT ROWID;
