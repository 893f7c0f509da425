"""Running processes are disturbed at every step of a run, and nothing may be lost, doubled or leaked.

May import `cluster` and what it imports; nothing imports it but its tests. Begin at `chaos_round.py`, which
plays one round on a `Stage`: `replica_stage.py` or `aegra_stage.py`. `invariants.py` says what must be true,
`strike_table.py` writes what people saw.
"""
