"""What ties together the log lines, audit events and spans of one request, in all tasks that work for it.

May import `identity.telemetry` and the modules at the top of `identity`.
Begin at `carried_context`, which takes these facts into a new task; `user` names the caller without a name.
"""
