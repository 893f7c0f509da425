"""Receipts: what the audit log says of one call, provable to people who have a public key and nothing else.

A process of its own signs the log (`idaas-agent audit sign`), so no call waits for it. Begin at
`signed_log.py`, which has the tree and its checkpoints, then `receipt.py`.
"""
