"""Speed and size against the goals, beside prometheus-alertmanager where it is installed: ``python -m benchmarks``."""
