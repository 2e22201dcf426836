-- 0027 The two tokens of a relay are issued together (F-04): the pair's id is what the gateway joins its legs by. Tokens live
-- 30 s, so none that is out is worth keeping. And a link knows the login it was made by: it ends with that login.
DROP TABLE leg_token;
CREATE TABLE leg_token (
  digest     BLOB    NOT NULL PRIMARY KEY CHECK (length(digest) = 32),  -- SHA-256
  pair_id    TEXT    NOT NULL CHECK (length(pair_id) = 22),
  session_id TEXT    NOT NULL REFERENCES support_session (id) ON DELETE CASCADE,
  role       TEXT    NOT NULL CHECK (role IN ('console', 'applet')),
  expires_at INTEGER NOT NULL,                                          -- ms UTC
  UNIQUE (pair_id, role)
) STRICT, WITHOUT ROWID;
CREATE INDEX leg_token_by_session ON leg_token (session_id);
CREATE INDEX leg_token_by_end     ON leg_token (expires_at);

ALTER TABLE support_session ADD COLUMN link_login TEXT;                -- login the console's last credential was given to
