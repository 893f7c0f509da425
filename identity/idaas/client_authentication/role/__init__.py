"""The credential of the execution role, with which requests of Alibaba Cloud's OpenAPI are signed.

May import `identity.transport`, the modules at the top of `identity`, and the metadata service and token file
of `identity.idaas`.
Begin at `role_credential`; each other file is one place where the platform puts it.
"""
