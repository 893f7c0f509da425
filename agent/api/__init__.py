"""The ways in: one folder for each protocol, the application that joins them, and its OpenAPI document.

May import all of `agent` but `agent.commands`. A protocol's folder imports no other one; `threads` alone
sends its events as `ag_ui` does.
Begin at `app`; a protocol is a `routes`, what reads a body, and what encodes a run.
"""
