"""The page's configuration for the sandbox: the members of its `window.APP_CONFIG`."""

from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sandbox.addresses import Addresses


class PageGrant(StrEnum):
    """How the page signs in."""

    CODE = "code"
    """Authorization code with PKCE, and an ID token whose nonce is checked."""
    IMPLICIT = "implicit"
    """The vendor tutorial's implicit grant, with exactly its five keys."""


def sandbox_page_config(
    addresses: "Addresses", grant: PageGrant, *, agent_url: str, scope: str
) -> dict[str, str]:
    """The page's configuration. Everything in it is public.

    `scope` is the agent's, `audience|permission`. The browser uses the plain port of IDaaS, because it does
    not trust the sandbox's certificate authority; the issuer is the one in the tokens.
    """
    from sandbox.state.directory import PAGE

    sign_in = f"{addresses.idaas_plain}/login/app/common/oauth2"
    five_keys = {
        "API_URL": agent_url,
        "IDAAS_AUTHORIZE_ENDPOINT": f"{sign_in}/authorize",
        "IDAAS_LOGOUT_ENDPOINT": f"{sign_in}/logout",
        "CLIENT_ID": PAGE,
        "SCOPE": scope,
    }
    if grant is PageGrant.IMPLICIT:
        return five_keys
    return five_keys | {
        "SCOPE": f"openid {scope}",
        "RESPONSE_TYPE": "code",
        "TOKEN_ENDPOINT": addresses.token_endpoint.replace(addresses.idaas, addresses.idaas_plain, 1),
        "ISSUER": addresses.issuer,
    }
