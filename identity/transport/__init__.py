"""Sends HTTP requests to other systems: clients, connection pools, bounded responses, retries, secure URLs.

May import only the modules at the top of `identity`.
Begin at `client`, which creates the HTTP clients, and `bounded_response`, which reads their responses.
"""
