"""`idaas-agent smoke`: the steps of a request against a real instance, compared with the sandbox.

A command. Begin at `smoke`; `sandbox_observations.json` is what the sandbox does.
"""
