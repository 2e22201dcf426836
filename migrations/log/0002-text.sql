-- 0002 The words of the log (G-04), without the log's texts: contentless, so that what is found is read from audit_entry. Only what
-- stands in an entry in clear is in it. A body is sealed under its session's key and never comes here: destroying the key is
-- enough to erase it (B-05). Rows come behind the mover, in batches; an entry is never changed, so none has to be taken out.
CREATE VIRTUAL TABLE audit_text USING fts5 (
  what,   -- event
  who,    -- ids of actor and session
  words,  -- event, name, address, subject and detail
  content = '', columnsize = 0, tokenize = 'unicode61 remove_diacritics 2'
);

-- Stretches of entries that are in it. The last one's end is how far it goes; their times narrow a search by rowid.
CREATE TABLE audit_text_part (
  first_seq INTEGER NOT NULL PRIMARY KEY,
  last_seq  INTEGER NOT NULL,
  min_at    INTEGER NOT NULL,   -- ms UTC; a clock may go back within a part
  max_at    INTEGER NOT NULL
) STRICT;
