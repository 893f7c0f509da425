"""The Developer API's answer to `ObtainCredential`."""

import re
from collections.abc import Mapping
from typing import Any

from identity.secret import Secret

_VISIBLE = re.compile(r"[\x21-\x7e]{1,4096}")  # it will stand in a header


def read_api_key(response: Mapping[str, Any], identifier: str) -> Secret:
    """The API key in the answer for the credential `identifier`.

    Raises `ValueError`, without a value of the answer, if the credential is another one, disabled, or none
    of type `api_key`.
    """
    if response.get("credentialIdentifier", identifier) != identifier:
        raise ValueError("the answer is for another credential")
    if response.get("status", "enabled") != "enabled":
        raise ValueError("it is not enabled")
    if response.get("credentialType", "api_key") != "api_key":
        raise ValueError('its type must be "api_key"')
    content = response.get("credentialContent")
    api_key_content = content.get("apiKeyContent") if isinstance(content, dict) else None
    api_key = api_key_content.get("apiKey") if isinstance(api_key_content, dict) else None
    if not isinstance(api_key, str) or not _VISIBLE.fullmatch(api_key):
        raise ValueError("the answer has no usable API key")
    return Secret(api_key)
