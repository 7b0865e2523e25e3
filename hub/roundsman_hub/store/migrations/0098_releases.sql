-- An approved plan goes to the vans by itself in the morning: one run a day and depot, as of planning.
ALTER TABLE nightly_runs DROP CONSTRAINT nightly_runs_kind_check;
ALTER TABLE nightly_runs ADD CONSTRAINT nightly_runs_kind_check CHECK (kind IN ('plan', 'learn', 'release'));
