"""People with a browser: the authorization endpoint, its sign-in page, the session at IDaaS, and signing out.

Imports the token's issuance and scopes of `sandbox.idaas.tokens`, and the state.
Begin at `authorize_endpoint`.
"""
