-- 0010 The index of words leaves the log's file, which is in every backup, for a file of its own, which is in none (B-05).
DROP TABLE audit_text;
DROP TABLE audit_text_part;
