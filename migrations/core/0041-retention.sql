-- 0041 How long things are kept (G-05). What stands under a legal hold is deleted by nobody.
CREATE TABLE legal_hold (
  session_id  TEXT    NOT NULL PRIMARY KEY CHECK (length(session_id) = 22),
  reason      TEXT    NOT NULL CHECK (length(reason) BETWEEN 1 AND 500),
  set_by      TEXT    NOT NULL,
  set_by_name TEXT    NOT NULL,
  set_at      INTEGER NOT NULL            -- ms UTC
) STRICT, WITHOUT ROWID;

-- Where the chain of the log goes on behind what was destroyed: an export says it, an entry of the log proves it.
CREATE TABLE destroyed_month (
  month        TEXT    NOT NULL PRIMARY KEY CHECK (length(month) = 6),
  first_seq    INTEGER NOT NULL,
  last_seq     INTEGER NOT NULL,
  last_hash    BLOB    NOT NULL CHECK (length(last_hash) = 32),
  destroyed_at INTEGER NOT NULL           -- ms UTC
) STRICT, WITHOUT ROWID;
