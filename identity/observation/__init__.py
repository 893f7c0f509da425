"""Observation of the agent by its operators: spans, metrics, failures, and the request they belong to.

May import `identity.secrets` and the modules at the top of `identity`.
Begin at `span`, whose attributes are in the allow-list of `attribute`, and at `metrics`.
`agent` exports both.
"""
