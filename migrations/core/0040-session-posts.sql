-- 0040 Details of ended sessions, to be posted to a CRM (G-06). What is posted is read when it is sent and is not kept here: an
-- erased session has nothing queued.
CREATE TABLE session_post (
  id         TEXT    NOT NULL PRIMARY KEY CHECK (length(id) = 22),   -- goes with each try, so that the CRM can tell a repeat
  session_id TEXT    NOT NULL REFERENCES support_session (id) ON DELETE CASCADE,
  state      TEXT    NOT NULL CHECK (state IN ('waiting', 'sent', 'given-up')),
  made_at    INTEGER NOT NULL,                                       -- ms UTC
  give_up_at INTEGER NOT NULL,
  next_at    INTEGER NOT NULL,
  tries      INTEGER NOT NULL DEFAULT 0,
  done_at    INTEGER,
  last_error TEXT                                                    -- of the last try; null when that went well
) STRICT, WITHOUT ROWID;
CREATE INDEX session_post_due  ON session_post (next_at) WHERE state = 'waiting';
CREATE INDEX session_post_made ON session_post (made_at);
CREATE INDEX session_post_of   ON session_post (session_id);
