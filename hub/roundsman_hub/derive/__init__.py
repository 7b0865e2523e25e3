"""The log's meaning: facts → visits, duties, receipts, order states. `fold` is pure; `worker` keeps the tables up with the log."""
