"""An authorization request, checked, and the address of its answer (RFC 6749, sections 4.1 and 4.2)."""

from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit

from sandbox.idaas.sign_in.authorization_code import CHALLENGE
from sandbox.idaas.tokens.scope import RequestedScope, parse_scope
from sandbox.oauth_error import OAuthError
from sandbox.state.directory import Application, Directory

RESPONSE_TYPES = frozenset({("token",), ("id_token",), ("id_token", "token"), ("code",)})
CODE_ONLY = ("code",)


@dataclass(frozen=True, slots=True)
class ReturnAddress:
    """Where the answer goes: a redirect URI that is registered for a known client, so redirecting is safe."""

    client: Application
    redirect_uri: str
    state: str | None
    response_types: tuple[str, ...]
    in_query: bool
    issuer: str

    def url(self, parameters: dict[str, str]) -> str:
        """The redirect URI with the answer in its query or fragment. `state` is echoed; codes name `iss`."""
        answer = dict(parameters)
        if self.state is not None:
            answer["state"] = self.state
        if self.response_types == CODE_ONLY:
            answer["iss"] = self.issuer  # RFC 9207
        if not self.in_query:
            return f"{self.redirect_uri}#{urlencode(answer)}"
        separator = "&" if urlsplit(self.redirect_uri).query else "?"
        return f"{self.redirect_uri}{separator}{urlencode(answer)}"


@dataclass(frozen=True, slots=True)
class AuthorizationRequest:
    """Everything that the client asked for, in order."""

    response_types: tuple[str, ...]
    scope: RequestedScope
    nonce: str | None
    challenge: str
    prompt: frozenset[str]


def return_address(directory: Directory, parameters: dict[str, str], issuer: str) -> ReturnAddress:
    """Raises OAuthError; then nothing may be redirected anywhere (RFC 6749, section 4.1.2.1)."""
    client = directory.applications.get(parameters.get("client_id", ""))
    if client is None:
        raise OAuthError("invalid_client", "the client is unknown", status=400)
    redirect_uri = parameters.get("redirect_uri", "")
    if redirect_uri not in client.redirect_uris:
        raise OAuthError("invalid_request", "redirect_uri is not registered for this client")
    response_types = tuple(sorted(parameters.get("response_type", "").split()))
    in_query = response_types == CODE_ONLY and parameters.get("response_mode") != "fragment"
    return ReturnAddress(client, redirect_uri, parameters.get("state"), response_types, in_query, issuer)


def authorization_request(to: ReturnAddress, parameters: dict[str, str]) -> AuthorizationRequest:
    """Raises OAuthError, which goes to the redirect URI."""
    if not to.response_types:
        raise OAuthError("invalid_request", 'parameter "response_type" is missing')
    if to.response_types not in RESPONSE_TYPES:
        raise OAuthError("unsupported_response_type", "the response type is not supported")
    grant = "authorization_code" if to.response_types == CODE_ONLY else "implicit"
    if grant not in to.client.grant_types:
        raise OAuthError("unauthorized_client", f'the client may not use the grant "{grant}"')
    modes = ("query", "fragment") if to.response_types == CODE_ONLY else ("fragment",)
    if parameters.get("response_mode", modes[0]) not in modes:
        raise OAuthError("invalid_request", "response_mode does not fit the response type")
    scope = parse_scope(parameters.get("scope", ""), openid_allowed=True)
    scope.target()
    nonce = parameters.get("nonce")
    if "id_token" in to.response_types and not (scope.openid and nonce):
        raise OAuthError("invalid_request", 'an ID token needs scope "openid" and parameter "nonce"')
    challenge = parameters.get("code_challenge", "")
    if to.response_types == CODE_ONLY and not CHALLENGE.fullmatch(challenge):
        raise OAuthError("invalid_request", "code_challenge must be 43 characters of base64url (RFC 7636)")
    if to.response_types == CODE_ONLY and parameters.get("code_challenge_method") != "S256":
        raise OAuthError("invalid_request", 'code_challenge_method must be "S256"')
    prompt = frozenset(parameters.get("prompt", "").split())
    return AuthorizationRequest(to.response_types, scope, nonce, challenge, prompt)
