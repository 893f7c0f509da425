"""How much of the models each user may use in a day, in tokens and in money.

Begin at `daily_budget`, which counts and refuses; `command` reads the audit log.
"""
