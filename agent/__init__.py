"""The agent as a program: composition, HTTP surfaces, server and command line.

May import all other packages but `sandbox`, which has commands of its own.
Begin at `composition.agent`, which joins the parts, and `cli`.
"""
