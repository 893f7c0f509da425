"""`idaas-agent chat`: questions on the terminal. `idaas-agent token`: a token of the sandbox for it."""

import contextlib
import sys
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final

import httpx
import typer

from agent.commands.authorities import authorities_for
from agent.commands.conversation import DEFAULT_URL, Conversation, RefusedError
from agent.commands.help_panels import TRY, listed_in
from agent.commands.keyboard import can_be_asked, read_message
from agent.commands.terminal import DEFAULT_SANDBOX_URL, SANDBOX_URL, err, out, stop, users_token
from agent.settings.settings import TOKEN_VARIABLE

_HELP: Final = "A line that ends with \\ goes on in the next one. Ctrl-C stops an answer, Ctrl-D leaves."


@listed_in(TRY)
def chat(
    question: Annotated[
        str | None, typer.Argument(help="The question. Without one, a conversation until Ctrl-D.")
    ] = None,
    url: Annotated[str, typer.Option(envvar="AGENT_URL", help="Address of the agent.")] = DEFAULT_URL,
    thread: Annotated[
        str | None, typer.Option(help="The identifier of the conversation that is continued.")
    ] = None,
    user: Annotated[
        str, typer.Option(help="The user of the sandbox whose token is sent: their sub, or a name.")
    ] = "alice",
    token_file: Annotated[
        Path | None, typer.Option(help=f"A file with an access token. Or set {TOKEN_VARIABLE}.")
    ] = None,
    sandbox_url: SANDBOX_URL = DEFAULT_SANDBOX_URL,
) -> None:
    """Talks with the running agent: shows answers, calls and whose rights they use, and asks for approvals.

    Exit status 1 if a call waits for an approval and there is no terminal to ask on.
    """
    if question is None and not sys.stdin.isatty():
        question = sys.stdin.read()
    if question is not None and not question.strip():
        stop("the question is empty")
    conversation = Conversation(
        url.rstrip("/"),
        thread or uuid.uuid4().hex,
        lambda: _token(token_file) or sandbox_access_token(sandbox_url, user),
        can_ask=can_be_asked(),
    )
    try:
        if thread is not None:
            conversation.reopen()
        if question is None:
            _converse(conversation)
        else:
            conversation.ask(question)
    except RefusedError as error:
        stop(str(error))
    except httpx.TransportError as error:
        stop(f"no response from {url}: {type(error).__name__}", "idaas-agent up runs the agent")
    except EOFError:
        stop("the approval is open", f"to decide: {conversation.command}")
    except KeyboardInterrupt:
        conversation.cancel()
        err.print("stopped")
        raise typer.Exit(130) from None


def _converse(conversation: Conversation) -> None:
    """Questions until Ctrl-D. What was asked is in the line's history, and in no file."""
    with contextlib.suppress(ImportError):
        import readline  # gives `input` its editing and its history

        readline.set_auto_history(False)
        for message in conversation.messages:
            if message["role"] == "user":
                readline.add_history(message["content"])
    conversation.show_latest()
    err.print(_HELP, style="dim")
    while (question := _question()) is not None:
        try:
            conversation.ask(question)
        except KeyboardInterrupt:
            conversation.cancel()
            err.print("stopped")
        except httpx.TransportError as error:
            err.print(f"no response: {type(error).__name__}", style="red")
        except RefusedError as error:
            err.print(str(error), style="red")
            if error.code == "approval_open":  # since a question on another device
                conversation.reopen()
    err.print(f"\nto continue: {conversation.command}", style="dim")


def _question() -> str | None:
    """The next question, which is not empty; `None` at Ctrl-D. Ctrl-C begins anew."""
    while True:
        try:
            question = read_message("> ", following=". ")
        except EOFError:
            return None
        except KeyboardInterrupt:
            out.print()
            continue
        if question.strip():
            with contextlib.suppress(ImportError):
                import readline

                readline.add_history(question)
            return question


def _token(token_file: Path | None) -> str | None:
    if token_file is not None:
        try:
            token = token_file.read_text().strip()
        except OSError as error:
            stop(f"cannot read {str(token_file)!r}: {error.strerror}")
        if not token:
            stop(f"there is no access token in {str(token_file)!r}, which is read again for each request")
        return token
    return users_token() or None


@listed_in(TRY)
def token(
    user: Annotated[
        str, typer.Option(help="A user of the sandbox, by their sub, or by a name such as alice.")
    ] = "alice",
    client: Annotated[
        str | None,
        typer.Option(help="In place of a user: an application of sandbox.toml, which calls as itself."),
    ] = None,
    permission: Annotated[
        list[str] | None,
        typer.Option(
            help="A permission of the agent that the token has. Repeatable. Default: agent.access, and of an"
            " application all that it has."
        ),
    ] = None,
    auth_time: Annotated[
        int | None, typer.Option(min=0, help="How many seconds ago the user signed in.")
    ] = None,
    sandbox_url: SANDBOX_URL = DEFAULT_SANDBOX_URL,
) -> None:
    """Prints an access token of a user, or of an application, of the running sandbox."""
    asked: dict[str, object] = {}
    if permission:
        asked["permissions"] = permission
    if client is None:
        asked["user"] = user
    else:
        asked["client"] = client
    if auth_time is not None:
        asked["auth_time"] = int(time.time()) - auth_time
    out.print(_sandbox_token(sandbox_url, asked))


def sandbox_access_token(sandbox_url: str, user: str) -> str:
    """An access token from the sandbox's control endpoint; stops the command if there is none."""
    return _sandbox_token(sandbox_url, {"user": user})


def _sandbox_token(sandbox_url: str, asked: Mapping[str, object]) -> str:
    holder = asked.get("client") or asked["user"]
    url = f"{sandbox_url.rstrip('/')}/__sandbox__/access-tokens"
    try:
        response = httpx.post(url, json=asked, timeout=10, verify=authorities_for(url))
    except httpx.TransportError as error:
        stop(
            f"cannot get a token of {holder}: no sandbox at {sandbox_url} ({type(error).__name__})",
            "idaas-agent up starts one; --sandbox-url names another; chat --token-file needs none",
        )
    if response.status_code == httpx.codes.NOT_FOUND:
        kind = "client" if "client" in asked else "user"
        stop(f"the sandbox has no {kind} {str(holder)!r}", response.json().get("error"))
    if response.status_code == httpx.codes.BAD_REQUEST:
        stop(str(response.json().get("error")))
    if response.status_code >= httpx.codes.BAD_REQUEST:
        stop(f"the sandbox returned status {response.status_code}")
    return str(response.json()["access_token"])
