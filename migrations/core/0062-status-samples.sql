-- 0062 How busy the appliance was, for the plots of the status page (A-06). Each value goes into a row of its minute, of its hour and
-- of its day; minutes are forgotten after days, hours after months, days after years. Amounts only: nothing of anybody.
CREATE TABLE status_sample (
  step   INTEGER NOT NULL CHECK (step IN (60, 3600, 86400)),  -- s that a row covers
  at     INTEGER NOT NULL,                                    -- ms UTC, its beginning
  series TEXT    NOT NULL,
  count  INTEGER NOT NULL CHECK (count > 0),
  total  REAL    NOT NULL,
  least  REAL    NOT NULL,
  most   REAL    NOT NULL,
  PRIMARY KEY (step, at, series)
) STRICT, WITHOUT ROWID;
