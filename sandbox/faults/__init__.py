"""Failures on demand, of any service.

Imports `sandbox.state` only, and no service.
Begin at `faults`, which says what can be wrong; `failing_service` makes a service fail so.
"""
