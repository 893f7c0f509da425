"""Records the use of identities and credentials: authentication, issued credentials and tool calls.

May import `identity.access_token`, `identity.credentials.requirement` and the modules at the top of
`identity`.
Begin at `trail`, which creates the steps; `log` writes their events as the lines of `chain`.
"""
