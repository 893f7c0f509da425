"""The stand-in model: a deterministic planner, pure functions from conversation and tools to a decision.

It knows no tool by name. It reads what is offered (name, description, JSON Schema), picks what fits the
question, fills the arguments from the text, and words the answer from what the tools said.

    conversation ── question ── clauses ──┐
    tools ─────────────── tool_fit ───────┤
    vocabulary, places ── arguments ──────┴─▶ decision: calls, or an answer (wording)
"""
