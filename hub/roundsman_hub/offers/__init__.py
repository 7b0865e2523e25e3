"""Windows that can really be kept: found by insertion into the living plan, held while a customer thinks, accepted once."""
