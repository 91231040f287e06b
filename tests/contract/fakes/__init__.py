"""Strict servers that stand in for the far side of a channel, written from the vendors' public contracts."""
