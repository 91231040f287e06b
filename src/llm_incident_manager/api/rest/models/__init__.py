"""What goes over the wire, written down: every member of every request and answer."""
