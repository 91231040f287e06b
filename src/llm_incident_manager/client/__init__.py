"""The SDK: speaks to a running incident manager over REST and WebSocket, and imports nothing of the server."""
