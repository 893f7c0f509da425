"""`idaas-agent chat`: one question on the terminal. `idaas-agent token`: a sandbox user's token for it."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Final

import httpx
import typer

from agent.commands.terminal import DEFAULT_SANDBOX_URL, SANDBOX_URL, err, out, stop
from agent.settings.settings import TOKEN_VARIABLE

_CUT_OFF: Final = {
    "length": "The answer was cut off at the limit of the language model.",
    "content_filter": "The rest of the answer was withheld by the filter of the language model.",
}
"""By finish reason."""


def chat(
    question: Annotated[str, typer.Argument(help="The question.")],
    url: Annotated[
        str, typer.Option(envvar="AGENT_URL", help="Address of the agent.")
    ] = "http://localhost:9002",
    user: Annotated[str, typer.Option(help="The sandbox user whose token is sent.")] = "alice",
    token_file: Annotated[
        Path | None, typer.Option(help=f"A file with an access token. Or set {TOKEN_VARIABLE}.")
    ] = None,
    sandbox_url: SANDBOX_URL = DEFAULT_SANDBOX_URL,
) -> None:
    """Sends one question to the running agent and streams the answer."""
    token = _token(token_file) or sandbox_access_token(sandbox_url, user)
    body = {"messages": [{"role": "user", "content": question}], "stream": True}
    try:
        with httpx.stream(
            "POST",
            f"{url.rstrip('/')}/openai/v1/chat/completions",
            json=body,
            headers={"Authorization": f"Bearer {token}"},
            timeout=httpx.Timeout(10, read=300),
        ) as response:
            if response.status_code != httpx.codes.OK:
                response.read()
                _fail(_json(response.text))
            for event in _events(response.iter_lines()):
                _show(event)
    except httpx.TransportError as error:
        stop(f"no response from {url}: {type(error).__name__}", "idaas-agent up runs the agent")
    out.print()


def _token(token_file: Path | None) -> str | None:
    if token_file is not None:
        try:
            return token_file.read_text().strip()
        except OSError as error:
            stop(f"cannot read {str(token_file)!r}: {error.strerror}")
    return os.environ.get(TOKEN_VARIABLE, "").strip() or None


def _events(lines: Iterator[str]) -> Iterator[dict[str, Any]]:
    for line in lines:
        if line.startswith("data:") and (text := line.removeprefix("data:").strip()) != "[DONE]":
            yield _json(text)


def _show(event: dict[str, Any]) -> None:
    if "error" in event:
        out.print()
        _fail(event)
    activity = event.get("agent_event")
    if activity and activity["type"] == "consent_required":
        err.print(f"· {activity['service']} needs your consent: open {activity['url']} and ask again")
    if activity and activity["type"] == "tool_finished":
        whose = {"Machine": "as the agent", "Human": "on your behalf"}.get(activity["access_identity"], "")
        outcome = "ok" if activity["ok"] else f"failed ({activity.get('error', 'reported by the tool')})"
        err.print(
            f"· {activity['service'] or 'unknown'}.{activity['tool']} {whose} [{activity['access_identity']}]"
            f" {outcome}, {activity['duration_ms']} ms",
            style="dim",
        )
    for choice in event.get("choices", ()):
        if text := choice["delta"].get("content"):
            out.print(text, end="")
        if note := _CUT_OFF.get(str(choice.get("finish_reason"))):
            out.print()
            err.print(note, style="dim")


def _fail(response: dict[str, Any]) -> None:
    error = response.get("error")
    if not isinstance(error, dict) or "message" not in error:
        stop("the response is not an agent's")
    stop(f"{error['message']} ({error.get('code')})")


def _json(text: str) -> dict[str, Any]:
    try:
        read = json.loads(text)
    except ValueError:
        return {}
    return read if isinstance(read, dict) else {}


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
