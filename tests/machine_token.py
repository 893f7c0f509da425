"""A test's own M2M client at the sandbox's IDaaS, and its access tokens, as it obtains them itself."""

from dataclasses import replace

import httpx

from sandbox.state.directory import AGENT_AUDIENCE, Application
from tests.suite import Sandbox

JOB = "app_payroll"


def machine_token(sandbox: Sandbox, *permissions: str, client: str = JOB) -> str:
    """A token of `client` for the agent (`client_credentials`) with `permissions`, which it is granted."""
    directory = sandbox.cloud.directory
    directory.applications[client] = Application(
        client, client, frozenset({"client_credentials"}), secret="CSjob"
    )
    server = directory.resource_servers[AGENT_AUDIENCE]
    defined = tuple(dict.fromkeys((*server.permissions, *permissions)))
    directory.resource_servers[AGENT_AUDIENCE] = replace(server, permissions=defined)
    directory.machine |= {(client, AGENT_AUDIENCE, permission) for permission in permissions}
    issued = httpx.post(
        sandbox.url("/api/v2/iauths_system/oauth2/token"),
        data={
            "client_id": client,
            "client_secret": "CSjob",
            "grant_type": "client_credentials",
            "scope": " ".join(f"{AGENT_AUDIENCE}|{permission}" for permission in permissions),
        },
        verify=sandbox.ssl_context,
        trust_env=False,
    )
    return str(issued.raise_for_status().json()["access_token"])
