-- What was written to drivers, and which reports are settled, is lost; the rest can be derived again.
DROP VIEW order_visits;
DROP TABLE messages, settled_reports, messages_shown, visit_orders;
