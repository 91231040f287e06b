"""Mutated payloads through every door of a real server, thousands each: the long form of what tests do for seconds."""
