"""Queues of others, read into the intake: what a message is, one file per broker, and who reads them."""
