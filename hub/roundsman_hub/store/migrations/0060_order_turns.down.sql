-- What was decided after failed attempts is lost; the further attempts stay as orders of their own.
DROP VIEW goods_aboard;
DROP TABLE order_turns;
