-- 0001 What belongs to no domain: settings made on the pages, one JSON value each.
CREATE TABLE setting (
  name       TEXT    NOT NULL PRIMARY KEY CHECK (length(name) BETWEEN 1 AND 80),
  value      TEXT    NOT NULL CHECK (json_valid(value)),
  changed_at INTEGER NOT NULL   -- ms UTC
) STRICT, WITHOUT ROWID;
