"""Run by test_official_sdks.py in a process of its own: the vendor's SDKs, unchanged, against the sandbox.

Arguments: the user's access token and JSON files, one for each method of client authentication, with the
variables of an agent. The SDK keeps its state in classes, so each file gets a forked child. Prints a JSON
line each.
"""

import importlib
import json
import multiprocessing
import os
import socket
import sys
from pathlib import Path
from urllib.parse import urlsplit

from alibabacloud_credentials import models as credentials_models
from alibabacloud_credentials.client import Client as CredentialsClient
from alibabacloud_credentials.utils import auth_util
from alibabacloud_eiam20211201.client import Client as EiamClient
from alibabacloud_eiam20211201.models import GenerateOauthTokenRequest
from alibabacloud_tea_openapi.models import Config
from cloud_idaas.core import IDaaSCredentialProviderFactory, IDaaSTokenResponse
from cloud_idaas.core.implementation.static_idaas_credential_provider import StaticIDaaSCredentialProvider
from cloud_idaas.pam_client.idaas_pam_client import IDaaSPamClient

PAM = "urn:cloud:idaas:pam|.all"
ENTERPRISE = "https://enterprise.sandbox.example|service.invoke"
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
METADATA_ADDRESS = "100.100.100.200"


def route_metadata_service(endpoint: str) -> None:
    """Connections to the metadata service's fixed address go to `endpoint`, as a route would lead them."""
    there, connect = urlsplit(endpoint), socket.socket.connect

    def routed(self: socket.socket, address: tuple[str, int]) -> None:
        connect(self, (there.hostname, there.port) if address[0] == METADATA_ADDRESS else address)

    socket.socket.connect = routed


def run(variables: dict[str, str], user_token: str) -> None:
    """Token, exchange, API key in both identities."""
    os.environ.update(variables)
    importlib.reload(auth_util)  # it reads variables at import
    if "ECS_METADATA_ENDPOINT" in variables:
        route_metadata_service(variables["ECS_METADATA_ENDPOINT"])
    factory = IDaaSCredentialProviderFactory
    sdk = "ALIBABA_CLOUD_STS_ENDPOINT" not in variables  # the plugin uses the real STS only
    if sdk:
        factory.init(variables["CLOUD_IDAAS_CONFIG_PATH"])
    configuration = json.loads(Path(variables["CLOUD_IDAAS_CONFIG_PATH"]).read_text())

    def machine(scope: str) -> str:
        if not sdk:
            return token_by_openapi(variables, scope)
        return factory.get_idaas_credential_provider_by_scope(scope).get_bearer_token()

    def human(scope: str) -> str:
        if "openApiEndpoint" in configuration:  # the plugin exchanges no tokens
            return token_by_openapi(variables, scope, user_token)
        exchange = factory.get_idaas_token_exchange_credential_provider_by_scope(scope)
        return exchange.get_issued_token(user_token, ACCESS_TOKEN, ACCESS_TOKEN)

    result = {
        "machine": machine(ENTERPRISE),
        "human": human(ENTERPRISE),
        "machine_api_key": pam_client(configuration, machine(PAM)).get_api_key("llm_api_key"),
        "human_api_key": pam_client(configuration, human(PAM)).get_api_key("amap_api_key"),
    }
    print(json.dumps(result), flush=True)  # noqa: T201  # the result for the test


def pam_client(configuration: dict[str, str], token: str) -> IDaaSPamClient:
    """A client of the Developer API that presents `token`."""
    credential = IDaaSTokenResponse()
    credential.access_token = token
    provider = StaticIDaaSCredentialProvider(credential)
    return IDaaSPamClient(
        configuration["developerApiEndpoint"], configuration["idaasInstanceId"], credential_provider=provider
    )


def token_by_openapi(variables: dict[str, str], scope: str, user_token: str | None = None) -> str:
    """GenerateOauthToken by the vendor's OpenAPI client; with `user_token` an exchange."""
    configuration = json.loads(Path(variables["CLOUD_IDAAS_CONFIG_PATH"]).read_text())
    endpoint = configuration["openApiEndpoint"]
    client = EiamClient(Config(endpoint=endpoint, credential=role_credential(variables)))
    audience, _, permission = scope.partition("|")
    request = GenerateOauthTokenRequest(
        instance_id=configuration["idaasInstanceId"],
        application_id=configuration["clientId"],
        audience=audience,
        scope_values=[permission],
    )
    if user_token is not None:
        request.grant_type = EXCHANGE
        request.subject_token = user_token
        request.subject_token_type = request.requested_token_type = ACCESS_TOKEN
    return client.generate_oauth_token(request).body.token_response.access_token


def role_credential(variables: dict[str, str]) -> CredentialsClient:
    """The default chain of the vendor's credentials library; its STS endpoint is moved for OIDC only."""
    endpoint = variables.get("ALIBABA_CLOUD_STS_ENDPOINT")
    if endpoint is None:
        return CredentialsClient()
    return CredentialsClient(credentials_models.Config(type="oidc_role_arn", sts_endpoint=endpoint))


if __name__ == "__main__":
    for path in sys.argv[2:]:
        given = json.loads(Path(path).read_text())
        child = multiprocessing.get_context("fork").Process(target=run, args=(given, sys.argv[1]))
        child.start()
        child.join()
        if child.exitcode:
            sys.exit(f"{path} failed")
