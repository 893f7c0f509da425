"""What the process costs: its start, memory, growth under load, telemetry, workers and replicas."""
