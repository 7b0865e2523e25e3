"""The hub's ear: frames of many vans → one transaction → acks. `rows` unpacks, `take` stores, `said` hears the rest, `worker` runs it."""
