"""`PKCS7`: a document about the machine, signed by its platform and addressed to the IDaaS instance.

https://help.aliyun.com/zh/ecs/user-guide/use-instance-identities. The document's audience is a JSON text with
the instance id and the time, so the signature covers both.
"""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import quote

from identity.idaas.client_authentication.declaration import (
    Declaration,
    check_environment,
    read_credential_name,
)
from identity.idaas.client_authentication.metadata_service import MetadataService
from identity.idaas.client_authentication.method import (
    ClientAuthentication,
    TokenRequest,
    federated_form,
    unavailable,
)
from identity.secrets.secret import Secret

_PATH = "/latest/dynamic/instance-identity/pkcs7?audience="
_MAX_AGE = 60.0
"""Seconds for which a document is presented again. IDaaS accepts one for 1200 s in the vendor's example; the
SDK's more than 3900 s would be refused there."""


@dataclass(slots=True)
class Pkcs7(ClientAuthentication):
    """See the module. The document is sent as the metadata service returns it."""

    client_id: str
    instance_id: str
    credential_name: str
    metadata: MetadataService
    clock: Callable[[], float] = time.time
    _document: Secret | None = field(default=None, init=False, compare=False)
    _signed_at: float = field(default=0.0, init=False, compare=False)

    async def authenticate(self, request: TokenRequest) -> TokenRequest:
        document = await self._current()
        form = federated_form(self.client_id, self.credential_name, "pkcs7-bearer", document.reveal())
        return request.by_client(form, presented=document)

    async def renew(self, refused: TokenRequest) -> bool:
        """A document that was presented before is replaced once."""
        if self._document is refused.presented:
            if self.clock() - self._signed_at < 1:
                return False
            self._document = None
        return True

    async def inspect(self) -> str:
        await self._current()
        return (
            f'a document of this machine for "{self.instance_id}", signed by its metadata service; '
            f'federated credential "{self.credential_name}"'
        )

    async def _current(self) -> Secret:
        now = self.clock()
        document = self._document
        if document is None or not 0 <= now - self._signed_at < _MAX_AGE:
            audience = json.dumps({"aud": self.instance_id, "signingTime": int(now)})
            text = await self.metadata.read(_PATH + quote(audience, safe=""))
            if not text.strip().startswith("M"):  # base64 of the DER of a sequence
                raise unavailable("metadata service: the response is no PKCS#7 document")
            document = self._document = Secret(text)
            self._signed_at = now
        return document


def read_pkcs7(declared: Declaration) -> Pkcs7:
    """Reads it from `applicationFederatedCredentialName`, `clientDeployEnvironment` and `idaasInstanceId`."""
    check_environment(declared, "ALIBABA_CLOUD_ECS")
    return Pkcs7(
        declared.client_id,
        declared.root.text("idaasInstanceId"),
        read_credential_name(declared),
        declared.sources.metadata,
        declared.clock,
    )
