"""The Developer API's `ObtainCredential`, of an API key."""

import re
from collections.abc import Mapping
from functools import partial
from typing import Any

from identity.credentials.issuer import IssuedCredential
from identity.credentials.requirement import ApiKeyRequirement
from identity.idaas.credential_store.store_operation import StoreOperation
from identity.secrets.secret import Secret

_VISIBLE = re.compile(r"[\x21-\x7e]{1,4096}")  # it is sent in a header


def obtain_credential(requirement: ApiKeyRequirement, _subject: str) -> StoreOperation:
    """The operation that reads the API key."""
    return StoreOperation(
        action="ObtainCredential",
        path="credentials/_/actions/obtain",
        about=f'credential "{requirement.identifier}"',
        error_code=requirement.error_code,
        read=partial(_read_api_key, requirement.identifier),
        query={"credentialIdentifier": requirement.identifier},
    )


def _read_api_key(identifier: str, response: Mapping[str, Any], _requested_at: float) -> IssuedCredential:
    """The API key in the response for the credential `identifier`.

    Raises `ValueError`, whose text contains no value of the response, if the credential is another one, is
    disabled, or is not of type `api_key`.
    """
    if response.get("credentialIdentifier", identifier) != identifier:
        raise ValueError("the response is for another credential")
    if response.get("status", "enabled") != "enabled":
        raise ValueError("the credential is not enabled")
    if response.get("credentialType", "api_key") != "api_key":
        raise ValueError('the type of the credential must be "api_key"')
    content = response.get("credentialContent")
    api_key_content = content.get("apiKeyContent") if isinstance(content, dict) else None
    api_key = api_key_content.get("apiKey") if isinstance(api_key_content, dict) else None
    if not isinstance(api_key, str) or not _VISIBLE.fullmatch(api_key):
        raise ValueError("the response has no usable API key")
    return IssuedCredential(Secret(api_key))
