-- Of a standstill outside the plan: the stop that it may have been meant for, as the van judged (a neighbour's door, a wrong address).
ALTER TABLE visits ADD COLUMN meant_order_id text;
