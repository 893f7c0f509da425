"""Encryption of conversations at rest: which value is sealed for which place, and under which keys.

May import `agent.conversations.database`.
Begin at `encryption`; `key_register` and `reencryption` are for the rotation of keys.
"""
