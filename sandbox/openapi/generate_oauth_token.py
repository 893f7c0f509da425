"""GenerateOauthToken (eiam, 2021-12-01): an access token for an application, for a caller that RAM allows."""

import re
from typing import Any

from sandbox.addresses import INSTANCE
from sandbox.federation.instance_document import ACCOUNT
from sandbox.idaas.tokens.grants import TokenRequest, client_credentials, token_exchange
from sandbox.oauth_error import OAuthError
from sandbox.openapi.acs3_signature import SignatureCheck
from sandbox.openapi.gateway import OpenApiError, RpcRequest
from sandbox.ram import ROLE, application_resource
from sandbox.state.cloud import Cloud
from sandbox.state.directory import Application
from sandbox.state.records import Event

EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
_EXCHANGE_PARAMETERS = {
    "SubjectToken": "subject_token",
    "SubjectTokenType": "subject_token_type",
    "RequestedTokenType": "requested_token_type",
}
_SCOPE_VALUE = re.compile(r"ScopeValues\.[1-9][0-9]?")


class GenerateOauthToken:
    """The application is the client, as if it had authenticated at the token endpoint.

    Codes of refusals after RAM's decision are the sandbox's own choice: the vendor documents none.
    """

    service = "openapi"
    name = "GenerateOauthToken"
    version = "2021-12-01"

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._signatures = SignatureCheck(cloud)

    def perform(self, request: RpcRequest, event: Event) -> dict[str, Any]:
        """The token response; the token is recorded. Raises OpenApiError."""
        event.authentication = "plugin"
        self._signatures.verify(request)
        instance, application = request.required("InstanceId"), request.required("ApplicationId")
        event.client = application
        self._authorize(application_resource(instance, application))
        client = self._client(instance, application)
        parameters = {"scope": _scope(request)}
        for name, parameter in _EXCHANGE_PARAMETERS.items():
            if request.parameters.get(name):
                parameters[parameter] = request.parameters[name]
        grant = request.parameters.get("GrantType") or "client_credentials"
        if grant not in ("client_credentials", EXCHANGE):
            raise OpenApiError("InvalidParameter.GrantType", "The specified GrantType is invalid.")
        perform = token_exchange if grant == EXCHANGE else client_credentials
        try:
            answer = perform(self._cloud, TokenRequest(client, parameters, event))
        except OAuthError as error:
            raise _as_openapi(error) from error
        members = ("token_type", "access_token", "expires_in", "expires_at", "issued_token_type")
        return {"TokenResponse": {_camel(name): answer[name] for name in members if name in answer}}

    def _authorize(self, resource: str) -> None:
        decision = self._cloud.execution_role.policy.decide(f"eiam:{self.name}", resource)
        if decision != "Allow":
            raise OpenApiError(
                "NoPermission",
                "You are not authorized to do this action. You should be authorized by RAM.",
                403,
                detail={
                    "AuthAction": f"eiam:{self.name}",
                    "AuthPrincipalDisplayName": f"{ROLE}:agent",
                    "AuthPrincipalOwnerId": ACCOUNT,
                    "AuthPrincipalType": "AssumedRoleUser",
                    "NoPermissionType": decision,
                    "PolicyType": "AccountLevelIdentityBasedPolicy",
                },
            )

    def _client(self, instance: str, application: str) -> Application:
        if instance != INSTANCE:
            raise OpenApiError("ResourceNotFound.Instance", "The specified instance does not exist.", 404)
        client = self._cloud.directory.applications.get(application)
        if client is None:
            raise OpenApiError(
                "ResourceNotFound.Application", "The specified application does not exist.", 404
            )
        if client.client_id in self._cloud.directory.disabled:
            raise OpenApiError("OperationDenied.ApplicationDisabled", "The application is disabled.", 403)
        return client


def _scope(request: RpcRequest) -> str:
    audience = request.required("Audience")
    request.required("ScopeValues.1")
    values = [value for name, value in request.parameters.items() if _SCOPE_VALUE.fullmatch(name)]
    return " ".join(f"{audience}|{value}" for value in values)


def _as_openapi(error: OAuthError) -> OpenApiError:
    if error.expired:
        return OpenApiError("InvalidParameter.SubjectToken.Expired", "The SubjectToken has expired.")
    if error.error == "access_denied":
        return OpenApiError("OperationDenied.UserDisabled", "The user is disabled.", 403)
    names = {"invalid_scope": "ScopeValues", "invalid_grant": "SubjectToken"}
    return OpenApiError(f"InvalidParameter.{names.get(error.error, 'GrantType')}", error.description)


def _camel(name: str) -> str:
    return "".join(word.capitalize() for word in name.split("_"))
