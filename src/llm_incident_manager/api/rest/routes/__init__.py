"""The endpoints, one file per resource; each only translates between HTTP and the engine."""
