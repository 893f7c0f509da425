"""The composition root: makes the parts of one agent from its settings and connects them.

May import the whole agent but its surfaces, its server and its commands.
Begin at `agent`; `service_parts` is what it has without callers, model and runs. `extensions` makes what
operators add (`docs/tools.md`), `installed_policies` and `question_listeners` what packages do.
"""
