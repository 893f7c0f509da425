"""Run by test_official_sdks.py in a process of its own: the vendor's SDKs, unchanged, against the sandbox.

Arguments: the user's access token and the paths of SDK configuration files, one for each method of client
authentication. The SDK keeps its state in classes, so each file gets a forked child. Prints a JSON line each.
"""

import json
import multiprocessing
import sys

from cloud_idaas.core import IDaaSCredentialProviderFactory
from cloud_idaas.core.implementation.static_idaas_credential_provider import StaticIDaaSCredentialProvider
from cloud_idaas.pam_client.idaas_pam_client import IDaaSPamClient

PAM = "urn:cloud:idaas:pam|.all"
ENTERPRISE = "https://enterprise.sandbox.example|service.invoke"


def run(configuration: str, user_token: str) -> None:
    """Token, exchange, API key in both identities."""
    factory = IDaaSCredentialProviderFactory
    factory.init(configuration)
    exchange = factory.get_idaas_token_exchange_credential_provider_by_scope
    access_token_type = "urn:ietf:params:oauth:token-type:access_token"
    user_pam = exchange(PAM).get_credential(user_token, access_token_type, access_token_type)
    as_user = IDaaSPamClient(credential_provider=StaticIDaaSCredentialProvider(user_pam))
    result = {
        "machine": factory.get_idaas_credential_provider_by_scope(ENTERPRISE).get_bearer_token(),
        "human": exchange(ENTERPRISE).get_issued_token(user_token, access_token_type, access_token_type),
        "machine_api_key": IDaaSPamClient().get_api_key("llm_api_key"),
        "human_api_key": as_user.get_api_key("amap_api_key"),
    }
    print(json.dumps(result), flush=True)  # noqa: T201  # the answer to the test


if __name__ == "__main__":
    for path in sys.argv[2:]:
        child = multiprocessing.get_context("fork").Process(target=run, args=(path, sys.argv[1]))
        child.start()
        child.join()
        if child.exitcode:
            sys.exit(f"{path} failed")
