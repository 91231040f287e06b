"""The WebSocket doors: ``/ws/events`` in, ``/ws/incidents`` out (ING-03). Mapping only; the rules are the engine's."""
