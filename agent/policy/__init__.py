"""Policies in Cedar: may this call be made, and if not, whose decision would change that?

Imports settings, errors, and the database of conversations. Only this room imports `cedarpy`. Begin with
`call_policy.py`; `rules.py` is a file of policies that was checked, and `schema.py` the types of its members.
"""
