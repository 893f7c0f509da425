"""Requests over HTTP/1.1 on connections of its own, as a transport of `httpx` and `httpx2`.

Imports nothing of the project; knows no service and no credential.
Begin at `transport`, whose connections are in `connection`.
"""
