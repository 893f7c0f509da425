"""LangGraph's event-streaming protocol: its commands and its streams, for the owner of a thread.

May import `admission`, beside what that may import.
Begin at `thread_protocol`, a middleware inside of the route guard.
"""
