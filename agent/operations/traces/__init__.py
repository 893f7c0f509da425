"""Traces: which requests are recorded, and their export by OpenTelemetry's SDK.

May import `agent.settings`. Only `span_export` imports the SDK, and only while traces are on.
Begin at `tracer`; spans themselves are in `identity.observation`.
"""
