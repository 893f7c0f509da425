"""The approval webhook: a signed message to an address of the operator's for each new question.

A listener of questions. Begin at `approval_webhook`.
"""
