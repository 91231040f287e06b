"""LLM-Incident-Manager: incident management for people who run LLM applications."""

__version__ = "0.1.0"
