-- Photos stay in the hub's folder; what the log says of them can be derived again, the orders' own new columns cannot.
DELETE FROM plan_receipts WHERE state = 'accepted';
ALTER TABLE plan_receipts DROP CONSTRAINT plan_receipts_state_check;
ALTER TABLE plan_receipts ADD CONSTRAINT plan_receipts_state_check
    CHECK (state IN ('held', 'shown', 'in_force', 'declined', 'refused'));
ALTER TABLE actions DROP COLUMN parcels, DROP COLUMN received_by, DROP COLUMN note, DROP COLUMN code;
ALTER TABLE orders DROP COLUMN items, DROP COLUMN proof, DROP COLUMN delivery_code, DROP COLUMN contact_free;
DROP TABLE scans, reports, reorders, risks, driver_words, proofs, blobs, unit_configs;
