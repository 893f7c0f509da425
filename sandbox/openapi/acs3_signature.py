"""The signature ACS3-HMAC-SHA256 of a request: who signed it, when, and whether it was sent before."""

import datetime as dt
import hashlib
import hmac
import re
from urllib.parse import quote

from sandbox.openapi.gateway import OpenApiError, RpcRequest
from sandbox.ram import CloudRoles, ExecutionRole, StsCredential
from sandbox.state.cloud import Cloud

TIME_WINDOW = 15 * 60
_INCOMPLETE = ("IncompleteSignature", "The request signature does not conform to Aliyun standards.")
_MISMATCH = ("SignatureDoesNotMatch", "Specified signature is not matched with our calculation.")
_AUTHORIZATION = re.compile(
    r"ACS3-HMAC-SHA256 +Credential=([^,\s]+), *SignedHeaders=([a-z0-9;-]+), *Signature=([0-9a-f]{64})"
)


class SignatureCheck:
    """Verifies signatures, and remembers their nonces for as long as their time is accepted."""

    def __init__(self, cloud: Cloud, issued: ExecutionRole | CloudRoles | None = None) -> None:
        """`issued` are the credentials that may sign, those of the execution role by default."""
        self._cloud = cloud
        self._issued = issued or cloud.execution_role
        self._nonces: dict[tuple[str, str], float] = {}
        cloud.on_reset(self._nonces.clear)

    def verify(self, request: RpcRequest) -> StsCredential:
        """The credentials that signed the request and are good now. Raises OpenApiError.

        Every `x-acs-*` header and `host` must be signed, as the vendor requires.
        """
        found = _AUTHORIZATION.fullmatch(request.headers.get("authorization", ""))
        if found is None:
            raise OpenApiError(*_INCOMPLETE)
        key_id, signed, signature = found[1], found[2].split(";"), found[3]
        credential = self._issued.find(key_id)
        if credential is None or request.headers.get("x-acs-accesskey-id", key_id) != key_id:
            raise OpenApiError("InvalidAccessKeyId.NotFound", "Specified access key is not found.", 404)
        must = {"host", *(name for name in request.headers if name.startswith("x-acs-"))}
        if signed != sorted(signed) or not must <= set(signed):
            raise OpenApiError(*_INCOMPLETE)
        self._check_time(request)
        if request.headers.get("x-acs-content-sha256") != hashlib.sha256(request.body).hexdigest():
            raise OpenApiError(*_MISMATCH)
        if not hmac.compare_digest(_signature(request, signed, credential.access_key_secret), signature):
            raise OpenApiError(*_MISMATCH)
        self._check_nonce(key_id, request.headers.get("x-acs-signature-nonce", ""))
        self._check_token(request, credential)
        return credential

    def _check_time(self, request: RpcRequest) -> None:
        text = request.headers.get("x-acs-date", "")
        try:
            at = dt.datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=dt.UTC).timestamp()
        except ValueError as error:
            raise OpenApiError(
                "InvalidTimeStamp.Format", "Specified time stamp or date value is not well formatted."
            ) from error
        if abs(at - self._cloud.clock()) > TIME_WINDOW:
            raise OpenApiError("InvalidTimeStamp.Expired", "Specified time stamp or date value is expired.")

    def _check_nonce(self, key_id: str, nonce: str) -> None:
        now = self._cloud.clock()
        self._nonces = {key: until for key, until in self._nonces.items() if until > now}
        if not nonce:
            raise OpenApiError("MissingSignatureNonce", "SignatureNonce is mandatory for this action.")
        if (key_id, nonce) in self._nonces:
            raise OpenApiError("SignatureNonceUsed", "Specified signature nonce was used already.")
        self._nonces[key_id, nonce] = now + 2 * TIME_WINDOW

    def _check_token(self, request: RpcRequest, credential: StsCredential) -> None:
        token = request.headers.get("x-acs-security-token")
        if token is None:
            raise OpenApiError("MissingSecurityToken", "SecurityToken is mandatory for this action.")
        if not hmac.compare_digest(token.encode(), credential.security_token.encode()):
            raise OpenApiError(
                "InvalidSecurityToken.MismatchWithAccessKey",
                "Specified SecurityToken mismatch with the AccessKey.",
            )
        if self._issued.expired(credential):
            raise OpenApiError("InvalidSecurityToken.Expired", "Specified SecurityToken is expired.")


def _signature(request: RpcRequest, signed: list[str], secret: str) -> str:
    query = sorted(f"{quote(name, safe='~')}={quote(value, safe='~')}" for name, value in request.query)
    headers = "".join(f"{name}:{request.headers.get(name, '').strip()}\n" for name in signed)
    digest = hashlib.sha256(request.body).hexdigest()
    canonical = "\n".join([request.method, request.path, "&".join(query), headers, ";".join(signed), digest])
    text = f"ACS3-HMAC-SHA256\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()
