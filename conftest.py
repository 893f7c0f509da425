"""What all tests have in common, those of the core and of the plug-ins, is in `tests/suite.py`."""

pytest_plugins = ["tests.suite"]
