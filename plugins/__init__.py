"""Plug-ins: ways in, policies, commands and listeners that the core does not know, one folder each.

May import `agent` and the packages below it; no plug-in imports another one, and the core imports none: it
finds them by their entry points. A folder has the code, its tests (`tests`) and its page (`README.md`).
"""
