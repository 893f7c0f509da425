"""Traces: which requests are recorded, and their export by OpenTelemetry's SDK.

May import `agent.settings`. Only `span_export` and `otlp_spans` import the SDK, and only while traces are on.
Begin at `tracer`; spans themselves are in `identity.observation`.
"""
