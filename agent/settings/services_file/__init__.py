"""What may an operator declare in SERVICES_FILE?

May import `identity` and `tools.approval_policy`.
Begin at `declarations`, or at `services_file`, which reads the file; `docs/extending.md` describes it.
"""
