-- 0086 Sessions erased on demand (K-01, TRUST: erasure). The row outlives the session's own: what was begun is gone on with at
-- the next start, and what could not be reached is shown for as long as somebody asks.
CREATE TABLE erasure (
  session_id    TEXT    NOT NULL PRIMARY KEY CHECK (length(session_id) = 22),
  reason        TEXT    NOT NULL CHECK (length(reason) BETWEEN 1 AND 500),
  asked_by      TEXT    NOT NULL,
  asked_by_name TEXT    NOT NULL,
  asked_at      INTEGER NOT NULL,            -- ms UTC
  from_at       INTEGER NOT NULL,            -- ms UTC, of the session: its films are looked for from its first day to its last
  until_at      INTEGER NOT NULL,
  done_at       INTEGER                      -- null while something of it is still there
) STRICT, WITHOUT ROWID;
