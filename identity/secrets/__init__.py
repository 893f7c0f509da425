"""Values that must not be shown: kept, read from files, replaced, and removed from what is shown.

May import nothing else of the project.
Begin at `secret`; `secret_file` has the seam to a secret that changes, and `redaction` removes those that a
service repeats.
"""
