"""The part of prepared runs in the tests of all surfaces: `tests/every_surface.py`."""

VARIABLES = [("PREPARE_SCOPE", "agent.prepare")]
