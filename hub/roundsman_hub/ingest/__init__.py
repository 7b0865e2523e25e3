"""The hub's ear: frames of many vans → one transaction → acks.

    broker ─► mqtt (`packets`) ─► inbox ─► rows ─► take ─► COMMIT ─► acks
              one thread          bounded  `worker`: two threads, each with half of the shards

`said` hears the rest, `shards` divides the vans between workers, `refill` reads later what could not be read.

Back-pressure: a database that is slow or away stops the storing threads, so no ack leaves; each van sends at most its window and waits.
What comes anyway fills the inboxes, and beyond their bounds is dropped, which costs a `rewind`. The hub's memory so has a bound of some
32 MB of frames, the broker's one of its queue (see `broker.py`), and the vans' disks keep the rest.
"""
