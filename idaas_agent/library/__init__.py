"""Identity for an application that people have: verified callers, credentials, tools, without the server.

May import `graph`, `tools` and `identity`, never `agent`: the server is an application of this library.
Begin at `identity`, which an application makes once; `run_context` finds for whom its code runs.
"""
