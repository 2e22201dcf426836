-- 0074 Releases of the product that have run on this store (A-05), each by its first start.
CREATE TABLE release_run (
  version    TEXT    NOT NULL PRIMARY KEY CHECK (length(version) BETWEEN 1 AND 64),
  started_at INTEGER NOT NULL   -- ms UTC
) STRICT, WITHOUT ROWID;
