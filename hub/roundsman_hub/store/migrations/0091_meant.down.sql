ALTER TABLE visits DROP COLUMN meant_order_id;
