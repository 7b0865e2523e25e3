DELETE FROM nightly_runs WHERE kind = 'release';
ALTER TABLE nightly_runs DROP CONSTRAINT nightly_runs_kind_check;
ALTER TABLE nightly_runs ADD CONSTRAINT nightly_runs_kind_check CHECK (kind IN ('plan', 'learn'));
