"""What the lock files pin: a bill of materials, licences, and known vulnerabilities, all without a network.

May import nothing of the product; the packages of the group `check` are there.
Begin at `lock_files`; `policy.toml` has the project's decisions, and `SECURITY.md` explains them.
"""
