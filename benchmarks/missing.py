"""What this machine lacks."""


class Missing(Exception):
    """A program or server that a row needs is not on this machine; the row is reported as not measured."""
