"""The stage of replicas: `idaas-agent serve` twice behind a balancer, with people who speak AG-UI.

May import `cluster.chaos` and what it imports. Begin at `replica_stage.py`, the only file.
"""
