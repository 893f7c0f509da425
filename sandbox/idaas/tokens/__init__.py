"""Applications: the token endpoint, its grants, and what each of them issues.

Imports the authorization code of `sandbox.idaas.sign_in`, the client authentication, and the state.
Begin at `token_endpoint` and `grants`; one function for each grant.
"""
