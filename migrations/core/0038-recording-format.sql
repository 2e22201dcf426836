-- 0038 What a finished recording is kept as (H-01): null: inherited.
ALTER TABLE technician_group ADD COLUMN recording_format TEXT CHECK (recording_format IN ('rcrec', 'avi', 'both'));
