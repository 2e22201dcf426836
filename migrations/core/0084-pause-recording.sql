-- 0084 Whether technicians of a group may pause a recording (H-01): null: inherited. It has no effect where recording is forced.
ALTER TABLE technician_group ADD COLUMN pause_recording INTEGER CHECK (pause_recording IN (0, 1));
