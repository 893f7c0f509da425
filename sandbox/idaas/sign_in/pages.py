"""The HTML pages of IDaaS: signing in, being refused, being signed out. No script, no remote resource."""

import secrets
from urllib.parse import urlsplit

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.responses import HTMLResponse

TEMPLATES = Environment(
    loader=PackageLoader("sandbox.idaas.sign_in"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def page(template: str, *, status: int = 200, form_target: str | None = None, **context: str) -> HTMLResponse:
    """A page under a strict Content Security Policy.

    `form_target` is a URL to which the answer to the page's form may redirect: browsers apply `form-action`
    to that redirect too.
    """
    style_nonce = secrets.token_urlsafe(16)
    html = TEMPLATES.get_template(template).render(style_nonce=style_nonce, **context)
    targets = "'self'"
    if form_target is not None:
        target = urlsplit(form_target)
        targets += f" {target.scheme}://{target.netloc}"
    policy = (
        f"default-src 'none'; style-src 'nonce-{style_nonce}'; form-action {targets}; "
        "frame-ancestors 'none'; base-uri 'none'"
    )
    headers = {
        "Content-Security-Policy": policy,
        "X-Frame-Options": "DENY",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "same-origin",
        "Cache-Control": "no-store",
    }
    return HTMLResponse(html, status_code=status, headers=headers)
