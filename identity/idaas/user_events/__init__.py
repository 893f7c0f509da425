"""What IDaaS reports about users ("account synchronization"), and which access tokens end by it.

May import `identity.access_token`, `identity.signing_keys`, `identity.secrets` and the
modules at the top of `identity`.
Begin at `user_event_reader`, which verifies a request; `user_event` is what it contains.
"""
