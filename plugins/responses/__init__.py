"""OpenAI's Responses API beside the core: its routes, and the wire form of requests and responses.

May import rooms of `agent`, no surface of it, and no other plug-in.
Begin at `routes`; `request` reads a body, `responses` begins, answers and finds runs, `encoder` writes
their events.
"""
