"""The certificate authorities that a command trusts when it calls the agent or the sandbox."""

import ssl

import httpx

from agent.commands.terminal import stop


def authorities_for(url: str) -> ssl.SSLContext:
    """The TLS context for `url`: httpx's own for `https`, and one that trusts nobody for plain HTTP.

    Plain HTTP reads no authorities, so an `SSL_CERT_FILE` that cannot be read is no fault there. For `https`
    it stops the command.
    """
    if not url.lower().startswith("https:"):
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        return httpx.create_ssl_context()
    except OSError as error:
        stop(f"SSL_CERT_FILE cannot be used: {error.strerror}", "name a PEM bundle, or: unset SSL_CERT_FILE")
