"""Which variables there are, by groups: the type, the default and the description of each, in one place.

May import `identity`, and types of the agent that variables have as values.
Begin at `services`, a short group; `agent.settings.settings` joins the groups.
"""
