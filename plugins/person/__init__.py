"""A person: all that the agent keeps about them, exported or erased by an operator.

Begin at `inventory.py`, which lists every table and every kind of key.
"""
