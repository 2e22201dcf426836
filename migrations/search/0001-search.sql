-- 0001 What a month of the log is searched by (G-04). A cache: in no backup, never replicated, made anew from log, sessions and
-- keys whenever it is missing, damaged or of another log. The words of what stands in clear: contentless, an entry is read from
-- the log. Entries are never changed, so none has to be taken out.
CREATE VIRTUAL TABLE entry_text USING fts5 (
  what,   -- event
  who,    -- ids of actor and session
  words,  -- event, name, address, subject and detail
  content = '', columnsize = 0, tokenize = 'unicode61 remove_diacritics 2'
);

-- Stretches of entries that are in it. The last one's end is how far it goes; their times narrow a search by number.
CREATE TABLE part (
  first_seq INTEGER NOT NULL PRIMARY KEY,
  last_seq  INTEGER NOT NULL,
  last_hash TEXT    NOT NULL,   -- of the entry last_seq: another one there is another log
  min_at    INTEGER NOT NULL,   -- ms UTC; a clock may go back within a part
  max_at    INTEGER NOT NULL
) STRICT;

-- The words of entries whose body is sealed under their session's key, the body's with them. When that key is destroyed they are
-- taken out, of table and index and freed pages (B-05): so the text is kept, for the index forgets only what it is told again.
CREATE TABLE sealed_text (
  seq        INTEGER NOT NULL PRIMARY KEY,
  session_id TEXT    NOT NULL,
  what       TEXT    NOT NULL,
  who        TEXT    NOT NULL,
  words      TEXT    NOT NULL
) STRICT;
CREATE INDEX sealed_text_by_session ON sealed_text (session_id);
CREATE VIRTUAL TABLE sealed_match USING fts5 (
  what, who, words,
  content = 'sealed_text', content_rowid = 'seq', columnsize = 0, tokenize = 'unicode61 remove_diacritics 2'
);
INSERT INTO sealed_match (sealed_match, rank) VALUES ('secure-delete', 1);

-- What sessions of these entries are looked for by, as it was when the last of them came in.
CREATE TABLE session_fact (
  session_id TEXT NOT NULL PRIMARY KEY,
  group_id   TEXT,                      -- null: its row is gone
  customer   TEXT                       -- letters of his name, folded; null: none, or the session's key is destroyed
) STRICT, WITHOUT ROWID;
CREATE INDEX session_fact_by_group ON session_fact (group_id);
CREATE TABLE session_way (
  channel_id TEXT NOT NULL,
  session_id TEXT NOT NULL,
  PRIMARY KEY (channel_id, session_id)
) STRICT, WITHOUT ROWID;
