"""`sandbox.toml`: what people add to the sandbox.

Imports no service.
Begin at `configuration`, which checks the whole; `configuration_file` reads and edits the file.
"""
