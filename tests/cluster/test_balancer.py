"""The balancer passes connections on whole, and passes over replicas that are gone."""

import asyncio
from collections.abc import Awaitable, Callable

from cluster.balancer import Balancer
from tests.loopback import free_port

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
LONG = b"x" * 3_000_000


async def replica(serve: Serve) -> asyncio.Server:
    return await asyncio.start_server(serve, "127.0.0.1", 0)


def port_of(server: asyncio.Server) -> int:
    port: int = server.sockets[0].getsockname()[1]
    return port


def says(word: bytes) -> Serve:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(word)
        writer.close()

    return serve


async def asked(port: int, *, slowly: bool = False) -> tuple[bytes, int]:
    """The whole response, and the port from which it was requested."""
    limit = 1_000 if slowly else 2**16
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=limit)
    writer.write(b"?\n")
    answer = await reader.read()
    own = writer.get_extra_info("sockname")[1]
    writer.close()
    return answer, own


async def test_connections_go_to_each_replica_in_turn() -> None:
    async with (
        await replica(says(b"a")) as a,
        await replica(says(b"b")) as b,
        Balancer([port_of(a), port_of(b)]) as balancer,
    ):
        answers = [await asked(balancer.port) for _ in range(4)]
        assert [word for word, _ in answers] == [b"a", b"b", b"a", b"b"]
        assert [balancer.served_by(own) for _, own in answers[:2]] == [port_of(a), port_of(b)]


async def test_replica_that_is_gone_is_passed_over() -> None:
    async with await replica(says(b"a")) as a, Balancer([free_port(), port_of(a)]) as balancer:
        assert [(await asked(balancer.port))[0] for _ in range(3)] == [b"a"] * 3


async def test_response_arrives_whole_when_the_replica_closes_at_once() -> None:
    async with await replica(says(LONG)) as a, Balancer([port_of(a)]) as balancer:
        assert (await asked(balancer.port, slowly=True))[0] == LONG


async def test_connection_ends_when_its_replica_dies() -> None:
    async def dies(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"half of")
        await reader.readline()
        writer.transport.abort()

    async with await replica(dies) as a, Balancer([port_of(a)]) as balancer:
        reader, writer = await asyncio.open_connection("127.0.0.1", balancer.port)
        assert await reader.readexactly(7) == b"half of"
        writer.write(b"?\n")
        assert await reader.read() == b""
        writer.close()


async def test_connection_is_refused_at_once_when_no_replica_lives() -> None:
    async with Balancer([free_port()]) as balancer:
        reader, writer = await asyncio.open_connection("127.0.0.1", balancer.port)
        assert await reader.read() == b""
        writer.close()


async def test_piece_waits_on_the_path_to_a_slow_replica_alone() -> None:
    async with (
        await replica(says(b"a")) as a,
        await replica(says(b"b")) as b,
        Balancer([port_of(a), port_of(b)]) as balancer,
    ):
        balancer.delays[port_of(a)] = 60.0
        reader, writer = await asyncio.open_connection("127.0.0.1", balancer.port)
        writer.write(b"?\n")
        own = writer.get_extra_info("sockname")[1]
        async with asyncio.timeout(60):
            while balancer.served_by(own) is None:  # noqa: ASYNC110 - the balancer does not report it
                await asyncio.sleep(0)
        assert (await asked(balancer.port))[0] == b"b"
        balancer.delays.clear()
        assert (await asked(balancer.port))[0] == b"a"
        assert not reader._buffer  # type: ignore[attr-defined]  # of the implementation that runs here
        writer.close()


async def test_switched_address_cuts_open_connections_and_leads_to_the_other_server() -> None:
    cut = asyncio.Event()

    async def keeps(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"half of")
        await reader.read()
        writer.close()
        cut.set()

    async with await replica(keeps) as a, await replica(says(b"b")) as b, Balancer([port_of(a)]) as balancer:
        reader, writer = await asyncio.open_connection("127.0.0.1", balancer.port)
        assert await reader.readexactly(7) == b"half of"
        balancer.switch(port_of(b))
        assert await reader.read() == b""
        await cut.wait()
        writer.close()
        assert [(await asked(balancer.port))[0] for _ in range(2)] == [b"b"] * 2
