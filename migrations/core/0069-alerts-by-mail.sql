-- 0069 Alerts by mail (A-06): when the mail server has taken each..
ALTER TABLE alert ADD COLUMN raised_mailed_at INTEGER; -- ms UTC; null until it was sent
ALTER TABLE alert ADD COLUMN ended_mailed_at INTEGER;
CREATE INDEX alert_unmailed ON alert (id)
  WHERE raised_mailed_at IS NULL OR (ended_at IS NOT NULL AND ended_mailed_at IS NULL);
