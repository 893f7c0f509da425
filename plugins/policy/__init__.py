"""Policies in Cedar, or of a decision point: may this call be made, and if not, whose decision changes that?

A policy of calls, and the commands `policy` and `can`. Imports settings, errors, and the database of
conversations. Only this room imports `cedarpy`. Begin with `call_policy.py`; `rules.py` is a file of policies
that was checked, `statement.py` one rule of it, `impossible.py` what a rule cannot mean, `schema.py` the
types of its members, and `decision_point.py` asks another system.
"""
