"""The demo: a day at an LLM company on a server of its own, with moved time and pages that really arrive."""
