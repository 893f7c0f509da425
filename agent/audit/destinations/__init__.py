"""Where audit lines go: a file, standard output, or a syslog server.

May import `agent.audit.chain`, `agent.audit.line` and `agent.syslog_address`; none knows what a record means.
Begin at `destination`, the Protocol.
"""
