"""Where the WebSocket doors are."""

EVENTS = "/ws/events"
INCIDENTS = "/ws/incidents"
PATHS = frozenset({EVENTS, INCIDENTS})
