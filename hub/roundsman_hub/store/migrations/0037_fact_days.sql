-- How long a fleet keeps its vans' own words, and the visits that they come to; null: for good.
ALTER TABLE retention
    ADD COLUMN fact_days integer CHECK (fact_days BETWEEN raw_days AND 36500),    -- positions without a date are dated by facts
    ADD COLUMN visit_days integer CHECK (visit_days BETWEEN 2 AND 36500),
    -- Visits are derived from facts: from facts that stay they would come again.
    ADD CONSTRAINT visits_outlive_facts CHECK (visit_days IS NULL OR (fact_days IS NOT NULL AND visit_days >= fact_days));

-- Sessions whose facts are gone: nothing of them is ever derived anew.
CREATE TABLE log.facts_aged (session_no integer PRIMARY KEY, at timestamptz NOT NULL);
REVOKE ALL ON log.facts_aged FROM roundsman_tenant;
