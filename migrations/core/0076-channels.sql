-- 0076 Channels (E-01 E-02 G-04): a customer's way into a queue that several groups serve. The link of one only routes a
-- customer, it never authenticates one (D-05); it is no secret, only hard to guess.
CREATE TABLE channel (
  id          TEXT    NOT NULL PRIMARY KEY CHECK (length(id) = 22),
  link        TEXT    NOT NULL UNIQUE CHECK (length(link) = 22),          -- in the address customers open; can be renewed
  name        TEXT    NOT NULL CHECK (length(name) BETWEEN 1 AND 80),     -- shown to customers, too
  greeting    TEXT    NOT NULL,                                          -- above the customer's questions
  away_text   TEXT    NOT NULL,                                          -- while nobody serves it
  is_enabled  INTEGER NOT NULL CHECK (is_enabled IN (0, 1)),
  max_waiting INTEGER NOT NULL CHECK (max_waiting BETWEEN 1 AND 500),
  place       INTEGER NOT NULL,                                          -- in lists, from the top
  version     INTEGER NOT NULL,                                          -- counts changes: who looked at another is told
  created_at  INTEGER NOT NULL,                                          -- ms UTC
  deleted_at  INTEGER                                                    -- sessions came by it: the log still names it
) STRICT;
CREATE UNIQUE INDEX channel_name ON channel (name COLLATE NOCASE) WHERE deleted_at IS NULL;

-- Technicians in these groups, and in those below them, serve the channel.
CREATE TABLE channel_group (
  channel_id TEXT NOT NULL REFERENCES channel (id) ON DELETE CASCADE,
  group_id   TEXT NOT NULL REFERENCES technician_group (id) ON DELETE CASCADE,
  PRIMARY KEY (channel_id, group_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX channel_group_by_group ON channel_group (group_id);

-- Every channel a session has been in: it may come by one and be handed to another.
CREATE TABLE session_channel (
  channel_id TEXT NOT NULL REFERENCES channel (id),
  session_id TEXT NOT NULL REFERENCES support_session (id) ON DELETE CASCADE,
  PRIMARY KEY (channel_id, session_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX session_channel_by_session ON session_channel (session_id);

-- Nobody's session until it is picked up. SQLite takes no NOT NULL off a column, and a new table in its place would take
-- along what refers to it: so the column is made anew.
DROP INDEX support_session_by_owner;
ALTER TABLE support_session ADD COLUMN owner TEXT CHECK (length(owner) = 22);
UPDATE support_session SET owner = owner_id;
ALTER TABLE support_session DROP COLUMN owner_id;
ALTER TABLE support_session RENAME COLUMN owner TO owner_id;             -- null: waits in the queue of its channel
CREATE INDEX support_session_by_owner ON support_session (owner_id, created_at);

ALTER TABLE support_session ADD COLUMN channel_id TEXT REFERENCES channel (id); -- the last one it was in
CREATE INDEX support_session_queued ON support_session (channel_id) WHERE owner_id IS NULL AND ended_at IS NULL;
