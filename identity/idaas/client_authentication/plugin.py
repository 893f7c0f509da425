"""`PLUGIN`: the OpenAPI `GenerateOauthToken`, signed with the credential of the execution role.

https://help.aliyun.com/zh/idaas/eiam/developer-reference/api-eiam-2021-12-01-generateoauthtoken. No secret of
IDaaS is needed: RAM decides whether the role may have tokens of the application. The vendor's plugin cannot
exchange a user's token; the API can.
"""

from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit

from identity.credentials.signed_request import SIGNED_REQUEST, SignedRequest, canonical_query
from identity.idaas.client_authentication.declaration import Declaration, SubjectTokenIn
from identity.idaas.client_authentication.method import (
    ACCESS_TOKEN_TYPE,
    TOKEN_EXCHANGE,
    USER_AGENT,
    Grant,
    TokenRequest,
)
from identity.idaas.client_authentication.own_credential import OwnCredential
from identity.idaas.client_authentication.role_credential import RoleCredential
from identity.printable import rfc3339

PLUGIN_NAME = "alibabacloudPluginCredentialProvider"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plugin(OwnCredential[RoleCredential]):
    """See the module. `endpoint` is an https origin.

    All parameters are in the query, as the vendor's client sends them. `subject_token_in` decides about the
    user's token alone: in the query it would be in the access log of every proxy. The grant type stays in the
    query, so that an API which ignores the body refuses the request rather than issue a machine token.
    """

    instance_id: str
    endpoint: str
    subject_token_in: SubjectTokenIn = SubjectTokenIn.BODY
    signer: SignedRequest = SIGNED_REQUEST

    async def authenticate(self, request: TokenRequest) -> TokenRequest:
        role = await self.credential.current()
        parameters = self._parameters(request.grant)
        form: dict[str, str] = {}
        subject_token = request.grant.subject_token
        if subject_token is not None:
            where = form if self.subject_token_in is SubjectTokenIn.BODY else parameters
            where["SubjectToken"] = subject_token.reveal()
        query = canonical_query(parameters)
        body = urlencode(form).encode("ascii")
        headers = self._headers(role)
        if body:
            headers["content-type"] = "application/x-www-form-urlencoded"
        signed = self.signer.headers("POST", "/", query, headers, body, role)
        for name in ("host", "user-agent"):  # the HTTP client adds the same
            del signed[name]
        url = f"{self.endpoint}/?{query}"
        return TokenRequest(request.grant, url, form, signed, presented=role, server="OpenAPI")

    async def inspect(self) -> str:
        role = await self.credential.current()
        end = "" if role.expires_at is None else f", valid until {rfc3339(role.expires_at, 'seconds')}"
        return (
            f"GenerateOauthToken at {urlsplit(self.endpoint).netloc}, signed with the role credential "
            f"{role.name} ({role.provider}{end}); in Human identity the user's access token travels in the "
            f"{self.subject_token_in}"
        )

    def _parameters(self, grant: Grant) -> dict[str, str]:
        items = [item.partition("|") for item in grant.scope.split()]
        audience = items[0][0] if items else ""
        parameters = {"ApplicationId": self.client_id, "Audience": audience, "InstanceId": self.instance_id}
        parameters |= {f"ScopeValues.{n}": value for n, (_, _, value) in enumerate(items, start=1)}
        if grant.subject_token is not None:
            parameters |= {
                "GrantType": TOKEN_EXCHANGE,
                "SubjectTokenType": ACCESS_TOKEN_TYPE,
                "RequestedTokenType": ACCESS_TOKEN_TYPE,
            }
        return parameters

    def _headers(self, role: RoleCredential) -> dict[str, str]:
        return {
            "host": urlsplit(self.endpoint).netloc.removesuffix(":443"),  # as the HTTP client sends it
            "accept": "application/json",
            "user-agent": USER_AGENT,
            "x-acs-action": "GenerateOauthToken",
            "x-acs-version": "2021-12-01",
            "x-acs-credentials-provider": role.provider,
            "x-acs-accesskey-id": role.access_key_id,
        }


def read_plugin(declared: Declaration) -> Plugin | None:
    """Reads `pluginName`, `openApiEndpoint` and `idaasInstanceId`, with the role of `declared.sources`."""
    authn = declared.authn
    name = authn.text("pluginName", required=True)
    if name and name != PLUGIN_NAME:
        authn.fault("pluginName", f'must be "{PLUGIN_NAME}", the only plugin whose work is built in')
    endpoint = declared.root.origin("openApiEndpoint")
    role = declared.sources.role
    if role is None:
        authn.fault(
            "authnMethod", "is PLUGIN, which needs the credential of an execution role, and there is none"
        )
    if not endpoint or role is None:
        return None
    return Plugin(
        client_id=declared.client_id,
        credential=role,
        token_endpoint=declared.token_endpoint,
        clock=declared.clock,
        instance_id=declared.root.text("idaasInstanceId"),
        endpoint=endpoint,
        subject_token_in=declared.sources.subject_token_in,
        signer=SignedRequest(declared.clock),
    )
