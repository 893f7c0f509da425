"""The credential of the RAM role of an ECS instance, from its metadata service."""

import re
from dataclasses import dataclass

from identity.idaas.client_authentication.role.role_credential import (
    RoleCredential,
    read_role_credential,
    role_unavailable,
)
from identity.idaas.metadata_service import MetadataService
from identity.strict_json import read_object

_PATH = "/latest/meta-data/ram/security-credentials/"
_ROLE_NAME = re.compile(r"[A-Za-z0-9._-]{1,128}")


@dataclass(frozen=True, slots=True)
class EcsRole:
    """Fetches the credential of `role`, or of the instance's role if that is empty."""

    metadata: MetadataService
    role: str = ""

    async def __call__(self) -> RoleCredential:
        """See `MetadataService.read`. Raises `UnreachableError`."""
        role = self.role or (await self.metadata.read(_PATH)).strip()
        if not _ROLE_NAME.fullmatch(role):
            raise role_unavailable("the metadata service names no role of this instance")
        text = await self.metadata.read(_PATH + role)
        try:
            return read_role_credential(read_object(text.encode()), provider="default/ecs_ram_role")
        except ValueError as error:
            detail = f"the metadata service's response {error}"
            raise role_unavailable(detail) from None
