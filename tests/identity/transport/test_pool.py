"""Clients use few connections of their own, directly or through the HTTP proxy of the environment."""

import ssl

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from http1.proxy import environment_proxies
from http1.transport import PoolUse, ThroughProxy
from identity.transport.client import direct_client, http_client, pooled_client
from tests.http_proxy import HttpProxy


class Service:
    """A service that records the connections and headers of its requests."""

    def __init__(self):
        self.ports = []
        self.headers = []

    async def respond(self, request):
        self.ports.append(request.client.port)
        self.headers.append(request.headers)
        return PlainTextResponse("done")

    @property
    def app(self):
        return Starlette(routes=[Route("/", self.respond)])


@pytest.fixture
def service():
    return Service()


@pytest.fixture
def trusted(certificates):
    return ssl.create_default_context(cafile=certificates.authority)


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    """Sets the proxies of the environment: `environment(HTTP_PROXY=…)`."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)

    def given(**variables):
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    return given


async def test_requests_one_after_another_use_one_connection(serve, service):
    async with http_client(None, 10) as client:
        url = await serve(service.app)
        for _ in range(12):
            assert (await client.get(url)).text == "done"
    assert len(set(service.ports)) == 1


async def test_proxy_receives_requests_to_http(library, serve, service, environment):
    origin = await serve(service.app)
    async with HttpProxy() as proxy:
        environment(HTTP_PROXY=proxy.url.replace("//", "//agent:a%20b@"))
        use = PoolUse()
        async with pooled_client(library, None, 10, use=use) as client:
            async with client.stream("GET", f"{origin}/?a=b") as response:
                assert use.in_use == 1
                assert await response.aread() == b"done"
            assert (await client.get(f"{origin}/")).text == "done"
    assert proxy.targets == [f"GET {origin}/?a=b"]
    assert b"\r\nProxy-Authorization: Basic YWdlbnQ6YSBi\r\n\r\n" in proxy.heads[0]
    assert len(set(service.ports)) == 1


@pytest.mark.parametrize("proxy_by_tls", [False, True])
async def test_tunnel_leads_to_services_of_https(
    library, serve, service, environment, certificates, trusted, proxy_by_tls
):
    files = {"ssl_certfile": certificates.certificate, "ssl_keyfile": certificates.key}
    origin = (await serve(service.app, **files)).replace("127.0.0.1", "localhost")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificates.certificate, certificates.key)
    async with HttpProxy(tls=tls if proxy_by_tls else None) as proxy:
        environment(ALL_PROXY=proxy.url.replace("//", "//agent:secret@"))
        async with pooled_client(library, trusted, 10) as client:
            for _ in range(3):
                assert (await client.get(origin)).text == "done"
    assert proxy.targets == [f"CONNECT {origin.removeprefix('https://')}"]
    assert b"\r\nProxy-Authorization: Basic YWdlbnQ6c2VjcmV0\r\n" in proxy.heads[0]
    assert len(set(service.ports)) == 1
    assert "proxy-authorization" not in service.headers[0]


async def test_certificate_behind_a_tunnel_must_be_for_the_service(
    library, serve, service, environment, certificates
):
    files = {"ssl_certfile": certificates.certificate, "ssl_keyfile": certificates.key}
    origin = await serve(service.app, **files)
    async with HttpProxy() as proxy:
        environment(HTTPS_PROXY=proxy.url)
        async with pooled_client(library, None, 10) as client:
            with pytest.raises(library.ConnectError):
                await client.get(origin)
    assert service.ports == []


async def test_refused_tunnel_is_a_proxy_error(library, environment, trusted):
    async with HttpProxy(refusal=b"HTTP/1.1 407 Proxy Authentication Required") as proxy:
        environment(HTTPS_PROXY=proxy.url)
        use = PoolUse()
        async with pooled_client(library, trusted, 10, use=use) as client:
            with pytest.raises(library.ProxyError, match="407"):
                await client.get("https://service.example/")
    assert use.in_use == 0


async def test_direct_client_uses_no_proxy(serve, service, environment):
    async with HttpProxy() as proxy:
        environment(ALL_PROXY=proxy.url)
        async with direct_client() as client:
            assert (await client.get(await serve(service.app))).text == "done"
    assert proxy.targets == []


WITHOUT = [
    "",
    "*",
    "localhost",
    "example.com",
    ".example.com, 127.0.0.1",
    "example.com:8443",
    "https://service.example.com",
    "10.0.0.0/8, ::1",
    ",,",
    "fd00::/8",
]
URLS = [
    "http://localhost/",
    "http://127.0.0.1:8080/",
    "https://[::1]/",
    "https://[fd00::5]/",
    "https://10.1.2.3/",
    "https://example.com/",
    "https://example.com:8443/",
    "https://service.example.com/",
    "http://service.example.com/",
    "https://notexample.com/",
]
PROXIES = [
    {},
    {"HTTPS_PROXY": "proxy.example:3128"},
    {"HTTP_PROXY": "http://a.example", "ALL_PROXY": "https://b.example"},
]


@pytest.mark.parametrize("proxies", PROXIES)
def test_proxies_are_those_that_the_library_would_use(library, environment, trusted, proxies):
    for without in WITHOUT if library is httpx2 else WITHOUT[:-1]:  # httpx cannot start with the last
        environment(NO_PROXY=without, **proxies)
        client = pooled_client(library, trusted, 10)
        usual = library.AsyncClient(verify=trusted)
        for url in map(library.URL, URLS):
            through = client._transport_for_url(url)
            named = usual._transport_for_url(url)
            assert isinstance(through, ThroughProxy) == (named is not usual._transport), (without, url)
            if isinstance(through, ThroughProxy):
                proxy, expected = through._proxy, named._pool._proxy_url
                assert proxy.host.encode() == expected.host
                assert (proxy.port, proxy.secure) == (expected.origin.port, expected.scheme == b"https")


@pytest.mark.parametrize(
    "entry", ["[", "10.0.0.0/99", "fd00::/200", "FE80::1%eth0/64", "http://[", "a b", "\x00"]
)
def test_malformed_exception_is_ignored(library, environment, monkeypatch, entry):
    monkeypatch.setattr("os.environ", {"HTTP_PROXY": "http://a.example", "NO_PROXY": f"{entry},b.example"})
    assert list(environment_proxies(library))[-1] == "all://*b.example"


@pytest.mark.parametrize(
    "url",
    ["socks5://user:hidden@a.example", "http://:1", "hidden://x", "http://a.example:hidden", "http://["],
)
def test_proxy_of_another_kind_is_refused_without_its_value(library, environment, url):
    environment(HTTPS_PROXY=url)
    with pytest.raises(ValueError, match="HTTPS_PROXY") as raised:
        pooled_client(library, None, 10)
    assert "hidden" not in repr(raised.getrepr(style="native"))
