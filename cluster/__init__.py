"""Several replicas of the agent on one machine, with all that they share: for demonstrations and tests.

May import everything; nothing imports it but its tests. Begin at `cluster.py`, which starts the parts;
`demonstration.py` kills a replica while people chat; `balancer.py` is the address in front of the replicas.
"""
