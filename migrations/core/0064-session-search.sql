-- 0064 Sessions by time, for the search of the log by group and customer (G-04).
CREATE INDEX support_session_by_time ON support_session (created_at);
