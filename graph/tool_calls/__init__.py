"""Which tools the model can call, which of its calls are run, and how one is run or refused.

May import `identity`, `tools`, `graph.credentials` and the modules at the top of `graph`.
Begin at `requested_calls`, the calls in the model's messages, and at `call_record`, which records one.
"""
