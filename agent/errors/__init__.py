"""Errors, as clients and operators read them: the agent's codes, the table of all codes, the HTTP responses.

May import `identity`, and the error codes of `tools` and `graph`; no other folder of the agent.
Begin at `error_table`, which joins the codes of all layers, and `error_response`, which knows their statuses.
"""
