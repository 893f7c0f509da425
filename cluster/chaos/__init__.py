"""Running processes are disturbed at every step of a run, and nothing may be lost, doubled or leaked.

May import `cluster` and what it imports; nothing imports it but its tests. Begin at `chaos_round.py`, which
plays one round on a `Stage`; `invariants.py` and `leaks.py` say what must be true, `step_table.py` writes
what people saw. Stages: `replicas` of `idaas-agent serve`, and `aegra`, LangGraph's API with its workers.
"""
