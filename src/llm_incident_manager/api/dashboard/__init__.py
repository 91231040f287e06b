"""The dashboard: pages rendered by the server, acted on by plain forms, kept live by server-sent events."""
