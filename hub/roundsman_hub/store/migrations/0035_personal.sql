-- How long a fleet keeps what is personal: who received and where they live, what was said, what was sent to them.

ALTER TABLE retention
    ADD COLUMN personal_days integer NOT NULL DEFAULT 365 CHECK (personal_days BETWEEN 14 AND 36500),  -- orders' names, phones, addresses
    ADD COLUMN word_days integer NOT NULL DEFAULT 365 CHECK (word_days BETWEEN 14 AND 36500),          -- chat and cases
    ADD COLUMN notice_days integer NOT NULL DEFAULT 90 CHECK (notice_days BETWEEN 14 AND 36500);       -- notices that were sent
