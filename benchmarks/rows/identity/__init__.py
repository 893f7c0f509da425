"""What identity costs: verification, credentials, refusals, revocation, and requests to IDaaS."""
