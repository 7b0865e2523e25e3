"""Notices to customers and shops: what is worth telling (`matters`, pure), written down once (`outbox`), sent by a role of its own."""
