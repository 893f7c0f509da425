"""What people and tests may change about the services while the sandbox runs."""

from dataclasses import dataclass


@dataclass(slots=True)
class Settings:
    """Lifetimes in seconds; defaults are the documented defaults of an IDaaS application."""

    access_token_lifetime: int = 1200
    id_token_lifetime: int = 300
    authorization_code_lifetime: int = 60
    refresh_token_lifetime: int = 24 * 3600
    session_lifetime: int = 8 * 3600
    audience_as_array: bool = False
    """`aud` as a one-element array instead of a string; the vendor documents neither."""
    actor_claim: bool = False
    """Exchanged tokens carry `act` (delegation). IDaaS supports impersonation only, hence off."""
    exchange_depth: int = 5
    """How often a token may be exchanged, counted along the chain."""
    exchange_only_own: bool = True
    """Only a token addressed to the calling client may be exchanged. Our reading; the vendor is silent."""
    amap_versions: str = "legacy"
    """What the MCP server speaks: `legacy` (2025-11-25), `modern` (2026-07-28) or `both`."""
    function_compute_token_prefix: str = "Bearer "  # noqa: S105 - no password
    """What stands before the token in the trigger's header; the console's default is not documented."""
    model_first_token_delay: float = 0.0
    """Seconds that the stand-in model waits before it says anything."""
    model_token_delay: float = 0.0
    """Seconds that the stand-in model takes for each token that it streams."""
    ecs_instance_id: str = "i-sandbox01"
    """The machine that the metadata service's documents name. IDaaS knows `i-sandbox01` only."""
    ecs_token_required: bool = True
    """The metadata service refuses requests without its token (hardened mode)."""
    instance_document_lifetime: int = 1200
    """How long IDaaS accepts an instance identity document after the signing time in its audience."""
    workload_token_lifetime: int = 3600
    """Of the cluster's tokens (OIDC)."""
    workload_token_newline: bool = True
    """IDaaS accepts a newline after a workload token: the vendor's SDK sends the file as it is."""
    agent_certificate_revoked: bool = False
    """The private authority has revoked the agent's certificate (PCA)."""
    openapi_form_parameters: bool = True
    """OpenAPI actions take parameters from a form in the body too, not from the query alone."""
    sts_lifetime: int = 3600
    """Of the role's credentials from the metadata service and the credentials URI."""
