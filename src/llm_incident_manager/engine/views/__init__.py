"""How incidents, their story, events and pages read outside: plain documents with the specification's names."""
