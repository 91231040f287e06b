"""Python made from proto/llm/incident/v1/incident.proto by ``python -m scripts.generate_grpc``."""
