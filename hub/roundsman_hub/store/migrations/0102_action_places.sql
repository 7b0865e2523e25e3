-- Where the van was as its driver said it: part of the proof, beside photo, signature, code and time. As the log has it already.
ALTER TABLE actions ADD COLUMN lat_e6 integer, ADD COLUMN lon_e6 integer;
UPDATE actions a SET lat_e6 = (e.body::jsonb ->> 'lat_e6')::integer, lon_e6 = (e.body::jsonb ->> 'lon_e6')::integer
FROM log.entries e WHERE e.session_no = a.session_no AND e.seq = a.seq AND e.kind = 'action' AND e.body LIKE '%"lat_e6"%';
