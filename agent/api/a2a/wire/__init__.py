"""In which form are A2A's requests, errors and objects, in version 1.0 and in 0.3?

May import `agent.errors` and `agent.api.validation_fault`; it knows no runs and no conversations.
Begin at `members`, the names that objects share, or at `rpc_request`; `version` has the form of each version.
"""
