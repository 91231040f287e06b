"""One module, one row of the table; each starts what it measures and stops it again."""
