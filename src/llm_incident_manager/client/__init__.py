"""The client: speaks to a running incident manager over REST and imports nothing of the server."""
