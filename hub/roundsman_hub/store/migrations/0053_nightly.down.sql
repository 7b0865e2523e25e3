-- What ran on which night is forgotten, and depots' own hours with it; plans and learned tables stay.
DROP TABLE nightly_runs, nightly_times;
