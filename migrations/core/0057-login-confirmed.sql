-- 0057 When whoever holds a login last proved that it is he, for changes of his second steps (C-03).
ALTER TABLE login ADD COLUMN confirmed_at INTEGER;  -- ms UTC; null before the first time
