"""How a run pauses until its user has decided, and goes on: LangGraph's interrupts.

May import `identity`, `tools`, the folders of `graph` but its nodes, and the modules at its top.
Begin at `questions`; what was asked and answered is kept by `graph.approvals`.
"""
