"""Schedules of other tools, from what their APIs answer, as documents of ours."""
