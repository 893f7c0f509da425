"""Signs OpenAPI requests for tests of refusals; the vendor's client is the referee of the signature."""

import datetime as dt
import hashlib
import hmac
import uuid
from collections.abc import Mapping
from urllib.parse import quote

import httpx

from sandbox.ram import StsCredential

TOKEN_PARAMETERS = {
    "InstanceId": "idaas_sandbox01",
    "ApplicationId": "app_agent01",
    "Audience": "https://enterprise.sandbox.example",
    "ScopeValues.1": "service.invoke",
}


class OpenApiClient:
    """Calls GenerateOauthToken with credentials of the execution role."""

    def __init__(self, http: httpx.Client, host: str, credential: StsCredential, now: float) -> None:
        self._http = http
        self._host = host
        self.credential = credential
        self._now = now

    def call(
        self,
        parameters: Mapping[str, str] = TOKEN_PARAMETERS,
        *,
        form: Mapping[str, str] | None = None,
        headers: Mapping[str, str | None] | None = None,
        unsigned: frozenset[str] = frozenset(),
        authorization: str | None = None,
    ) -> httpx.Response:
        """`headers` override signed headers, None takes one out; `unsigned` names are not signed."""
        body = "&".join(f"{quote(k)}={quote(v, safe='')}" for k, v in (form or {}).items()).encode()
        at = dt.datetime.fromtimestamp(self._now, dt.UTC)
        members: dict[str, str | None] = {
            "host": self._host,
            "x-acs-action": "GenerateOauthToken",
            "x-acs-version": "2021-12-01",
            "x-acs-date": at.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "x-acs-signature-nonce": uuid.uuid4().hex,
            "x-acs-content-sha256": hashlib.sha256(body).hexdigest(),
            "x-acs-accesskey-id": self.credential.access_key_id,
            "x-acs-security-token": self.credential.security_token,
        }
        if form is not None:
            members["content-type"] = "application/x-www-form-urlencoded"
        sent = {name: value for name, value in (members | dict(headers or {})).items() if value is not None}
        names = sorted(set(sent) - unsigned)
        query = "&".join(sorted(f"{quote(k, safe='~')}={quote(v, safe='~')}" for k, v in parameters.items()))
        lines = "".join(f"{name}:{sent[name]}\n" for name in names)
        canonical = "\n".join(["POST", "/", query, lines, ";".join(names), hashlib.sha256(body).hexdigest()])
        text = f"ACS3-HMAC-SHA256\n{hashlib.sha256(canonical.encode()).hexdigest()}"
        key = self.credential.access_key_secret.encode()
        signature = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
        sent["authorization"] = authorization or (
            f"ACS3-HMAC-SHA256 Credential={self.credential.access_key_id},"
            f"SignedHeaders={';'.join(names)},Signature={signature}"
        )
        return self._http.post(f"https://{self._host}/?{query}", headers=sent, content=body)
