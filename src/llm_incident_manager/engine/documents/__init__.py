"""Configuration documents: users, teams, routes, policies … as people write them, read into the domain's values."""
