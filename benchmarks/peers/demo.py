"""A direct port of the vendor's Java demo, which creates credentials, clients and tools for each request.

The access token is verified with cached keys, as Spring does. These steps follow in sequence: a token for the
credential store, the model's API key, the external server's API key, a token for the enterprise service, a
chat model, an MCP client that lists its tools, and the agent's run. `/machine` uses the agent's identity,
`/human` the user's.
"""

import json
import os
import ssl
from pathlib import Path
from typing import Annotated, Any, Literal

import httpx
import jwt
from fastapi import FastAPI, Header, HTTPException
from langchain_core.tools import tool
from langchain_mcp_adapters.client import MultiServerMCPClient
from langchain_mcp_adapters.sessions import StreamableHttpConnection
from langchain_openai import ChatOpenAI
from langgraph.prebuilt import create_react_agent

from benchmarks.peers.bare import Chat, completion

_EXCHANGE = {
    "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
    "subject_token_type": "urn:ietf:params:oauth:token-type:access_token",
    "requested_token_type": "urn:ietf:params:oauth:token-type:access_token",
}
_PAM = "urn:cloud:idaas:pam|.all"


class Idaas:
    """A client of IDaaS for one request, by the agent's SDK configuration."""

    def __init__(
        self, http: httpx.AsyncClient, configuration: dict[str, Any], user_token: str | None
    ) -> None:
        self._http = http
        self._configuration = configuration
        self._grant = (
            {**_EXCHANGE, "subject_token": user_token} if user_token else {"grant_type": "client_credentials"}
        )

    async def token(self, scope: str) -> str:
        """An access token of the agent, or of the user by exchange."""
        form = {
            "client_id": self._configuration["clientId"],
            "client_secret": os.environ["IDAAS_CLIENT_SECRET"],
            "scope": scope,
        }
        response = await self._http.post(self._configuration["tokenEndpoint"], data={**form, **self._grant})
        token: str = response.raise_for_status().json()["access_token"]
        return token

    async def api_key(self, pam_token: str, identifier: str) -> str:
        """An API key from the credential store."""
        host, instance = (self._configuration[n] for n in ("developerApiEndpoint", "idaasInstanceId"))
        response = await self._http.get(
            f"https://{host}/v2/{instance}/credentials/_/actions/obtain",
            params={"credentialIdentifier": identifier},
            headers={"Authorization": f"Bearer {pam_token}"},
        )
        key: str = response.raise_for_status().json()["credentialContent"]["apiKeyContent"]["apiKey"]
        return key


def app() -> FastAPI:
    """The server."""
    configuration = json.loads(Path(os.environ["CLOUD_IDAAS_CONFIG_PATH"]).read_text())
    tls = ssl.create_default_context(cafile=os.environ["SSL_CERT_FILE"])
    keys = jwt.PyJWKClient(os.environ["JWKS_ENDPOINT"], ssl_context=tls)
    server = FastAPI()

    @server.get("/health")
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    @server.post("/{identity}/chat/completions")
    async def chat(
        identity: Literal["machine", "human"], chat: Chat, authorization: Annotated[str, Header()]
    ) -> Any:
        access_token = authorization[7:]
        try:
            key = keys.get_signing_key_from_jwt(access_token)
            audience = os.environ["AGENT_AUDIENCE"]
            jwt.decode(access_token, key, ["RS256"], audience=audience, issuer=configuration["issuer"])
        except jwt.PyJWTError as error:
            raise HTTPException(401) from error
        async with httpx.AsyncClient(verify=tls) as http:
            idaas = Idaas(http, configuration, access_token if identity == "human" else None)
            pam_token = await idaas.token(_PAM)
            llm_key = await idaas.api_key(pam_token, os.environ["LLM_API_KEY_IDENTIFIER"])
            amap_key = await idaas.api_key(pam_token, os.environ["EXTERNAL_SERVER_API_KEY_IDENTIFIER"])
            service_token = await idaas.token(os.environ["ENTERPRISE_SERVICE_SCOPE"])

        @tool
        async def call_enterprise_service() -> str:
            """Calls the enterprise service and returns its response."""
            headers = {"Authorization": f"Bearer {service_token}"}
            async with httpx.AsyncClient(verify=tls) as http:
                return (await http.post(os.environ["ENTERPRISE_SERVICE_URL"], json={}, headers=headers)).text

        model = ChatOpenAI(model="qwen-plus", base_url=os.environ["LLM_BASE_URL"], api_key=llm_key)
        amap = StreamableHttpConnection(
            transport="streamable_http",
            url=os.environ["EXTERNAL_SERVER_URL"],
            headers={"Authorization": f"Bearer {amap_key}"},
        )
        tools = await MultiServerMCPClient({"amap": amap}).get_tools()
        return await completion(create_react_agent(model, [*tools, call_enterprise_service]), chat)

    return server
