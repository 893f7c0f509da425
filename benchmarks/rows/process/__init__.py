"""What the process costs: its start, its memory, its growth under load, its workers and its telemetry."""
