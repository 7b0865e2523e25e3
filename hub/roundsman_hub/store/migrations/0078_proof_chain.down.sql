ALTER TABLE retention DROP COLUMN proof_days;
DROP TABLE proof_chain;
