"""① Durable intake: an append-only journal of accepted events, synced before anybody is told "accepted"."""
