"""gRPC: the IncidentService of specification §6.2 over the same engine. Import it only where grpc is installed."""
