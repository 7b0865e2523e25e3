ALTER TABLE retention DROP COLUMN personal_days, DROP COLUMN word_days, DROP COLUMN notice_days;
