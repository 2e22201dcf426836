-- 0085 A recording that ended with a pause, and the one that goes on behind it (H-01): null where there was none.
ALTER TABLE recording ADD COLUMN is_paused INTEGER CHECK (is_paused IN (0, 1));
ALTER TABLE recording ADD COLUMN after_nonce TEXT CHECK (length(after_nonce) = 22);
ALTER TABLE recording ADD COLUMN paused_ms INTEGER;
