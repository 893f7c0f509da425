"""`idaas-agent token`: an access token of a sandbox user, as if they had signed in on the page."""

from typing import Annotated

import httpx
import typer

from agent.commands.options import DEFAULT_SANDBOX_URL, SANDBOX_URL
from agent.commands.terminal import out, stop


def token(
    user: Annotated[
        str, typer.Option(help="A user of the sandbox: alice, bob, or one of sandbox.toml.")
    ] = "alice",
    sandbox_url: SANDBOX_URL = DEFAULT_SANDBOX_URL,
) -> None:
    """Prints an access token of a user of the running sandbox."""
    out.print(sandbox_access_token(sandbox_url, user))


def sandbox_access_token(sandbox_url: str, user: str) -> str:
    """An access token from the sandbox's control endpoint; stops the command if there is none."""
    try:
        response = httpx.post(
            f"{sandbox_url.rstrip('/')}/__sandbox__/access-tokens", json={"user": user}, timeout=10
        )
    except httpx.TransportError as error:
        stop(
            f"cannot get a token of {user}: no sandbox at {sandbox_url} ({type(error).__name__})",
            "idaas-agent up starts one; --sandbox-url names another; chat --token-file needs none",
        )
    if response.status_code == httpx.codes.NOT_FOUND:
        stop(f"the sandbox has no user {user!r}", response.json().get("error"))
    if response.status_code >= httpx.codes.BAD_REQUEST:
        stop(f"the sandbox returned status {response.status_code}")
    return str(response.json()["access_token"])
