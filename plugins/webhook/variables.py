"""The variables of the webhook."""

import base64
from collections.abc import Iterator, Mapping
from typing import Annotated

from agent.settings.plugin_variables import PluginVariables
from identity.secrets.secret import Secret
from identity.settings.values import SecretInFile, Url, checked_by, set_together


def webhook_key(secret: Secret) -> bytes:
    """The key of `whsec_…`. Raises `ValueError`."""
    prefix, _, encoded = secret.reveal().partition("_")
    try:
        key = base64.b64decode(encoded, validate=True)
    except ValueError:
        key = b""
    if prefix != "whsec" or not 24 <= len(key) <= 64:
        raise ValueError("must have whsec_ and base64 of 24 to 64 bytes")
    return key


WebhookSecretFile = Annotated[SecretInFile, checked_by(webhook_key)]


class WebhookVariables(PluginVariables):
    """Where questions to people are announced."""

    heading = "Webhook"

    approval_webhook_url: Url | None = None
    """Where each question about a call is announced (`plugins/webhook/README.md`), for another channel."""
    approval_webhook_secret_file: WebhookSecretFile | None = None
    """A file with the secret that signs the messages: `whsec_` and base64 of 24 to 64 bytes."""
    approval_webhook_page: Url | None = None
    """The page to which the messages link. Opening the link decides nothing."""
    approval_webhook_arguments: bool = False
    """Whether the messages have the arguments of the call, which may be personal data."""

    @staticmethod
    def combination_faults(given: Mapping[str, str]) -> Iterator[str]:
        names = ("approval_webhook_url", "approval_webhook_secret_file", "approval_webhook_page")
        yield from set_together(given, *names)
