"""HTTP requests to the outside: clients, connection pools, bounded responses, retries, checked URLs.

May import the modules at the top of `identity` only.
Begin at `client`, which makes the HTTP clients, and `bounded_response`, which reads what they receive.
"""
