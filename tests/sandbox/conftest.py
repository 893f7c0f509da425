"""Fixtures of the sandbox tests: clients, forms for the token endpoint, and readers of its responses."""

from collections.abc import Callable, Iterator

import httpx
import pytest

from sandbox.commands.company import PEOPLE
from sandbox.configuration.configuration import Configuration
from sandbox.configuration.configuration_file import SandboxFile, with_secrets
from sandbox.state.directory import AGENT, ENTERPRISE_AUDIENCE
from tests.sandbox.idaas.browser import Browser

Post = Callable[..., httpx.Response]

ENTERPRISE = f"{ENTERPRISE_AUDIENCE}|service.invoke"
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"


@pytest.fixture
def company(sandbox) -> Iterator[Configuration]:
    """The people and the job with which `idaas-agent up` begins."""
    added = with_secrets(SandboxFile(PEOPLE).read(), sandbox.running.folder)
    sandbox.cloud.configure(added)
    yield added
    sandbox.cloud.configure(Configuration())


@pytest.fixture
def client(sandbox) -> Iterator[httpx.Client]:
    """Trusts the sandbox and follows no redirect."""
    with httpx.Client(verify=sandbox.ssl_context) as client:
        yield client


@pytest.fixture
def token(sandbox, client) -> Post:
    """Posts a form to the token endpoint, by default as the agent with its secret; None drops a member."""

    def post(headers=None, **form):
        defaults = {"client_id": AGENT, "client_secret": sandbox.cloud.secrets.agent_client_secret}
        members = {name: value for name, value in (defaults | form).items() if value is not None}
        return client.post(sandbox.cloud.addresses.token_endpoint, data=members, headers=headers)

    return post


@pytest.fixture
def machine(token) -> Post:
    """Client credentials for the enterprise service, unless other members are given."""
    return lambda **form: token(**({"grant_type": "client_credentials", "scope": ENTERPRISE} | form))


@pytest.fixture
def exchange(sandbox, token) -> Post:
    """Exchanges alice's token for the enterprise service, unless other members are given."""

    def post(**form):
        defaults = {"grant_type": EXCHANGE, "scope": ENTERPRISE, "subject_token_type": ACCESS_TOKEN}
        if "subject_token" not in form:
            defaults["subject_token"] = sandbox.access_token()
        return token(**(defaults | form))

    return post


@pytest.fixture
def refusal() -> Callable[[httpx.Response], tuple[int, str]]:
    """Status and code of an error response, whose form is checked."""

    def read(response):
        body = response.json()
        assert set(body) == {"error", "error_description", "request_id"}
        assert response.headers["cache-control"] == "no-store"
        return response.status_code, body["error"]

    return read


@pytest.fixture
async def http(sandbox):
    headers = {"Authorization": f"Bearer {sandbox.cloud.secrets.llm_api_key}"}
    async with httpx.AsyncClient(verify=sandbox.ssl_context, headers=headers) as client:
        yield client


@pytest.fixture
def url(sandbox):
    return f"{sandbox.cloud.addresses.llm_base_url}/chat/completions"


@pytest.fixture
def browser(sandbox):
    browser = Browser(sandbox)
    with browser.client:
        yield browser


@pytest.fixture
def reason(sandbox, refusal):
    """The reason in the event of a refusal, of which the caller learns nothing."""

    def read(response) -> str:
        assert refusal(response) == (401, "invalid_client")
        assert response.json()["error_description"] == "client authentication failed"
        return sandbox.cloud.events.snapshot()[-1].reason.partition(":")[0]

    return read
