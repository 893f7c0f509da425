"""`make cluster`: starts everything, kills a replica while ten people chat, and runs on until Ctrl-C."""

import argparse
import asyncio
import contextlib
import logging
import signal
import sys
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from agent.http.web_server import PortInUseError
from cluster.cluster import PEOPLE, Cluster, Ports, cluster
from cluster.demonstration import Sight, demonstrate
from sandbox.server.listener import PortInUseError as SandboxPortInUseError

_OUT = Console(highlight=False)


def main() -> int:
    """The exit status: 1 if something was lost or doubled, 2 if a port is in use."""
    parser = argparse.ArgumentParser(prog="python -m cluster", description=__doc__)
    parser.add_argument("--replicas", type=int, default=2, choices=range(2, 9), help="how many [2]")
    parser.add_argument("--once", action="store_true", help="stop after the demonstration")
    parser.add_argument("--port", type=int, default=9002, help="of the balancer [9002]")
    parser.add_argument("--page-port", type=int, default=9001, help="of the page [9001]")
    parser.add_argument("--idaas-port", type=int, default=9400, help="of IDaaS for the browser [9400]")
    options = parser.parse_args()
    logging.basicConfig(level=logging.ERROR)
    ports = Ports(options.port, options.page_port, options.idaas_port)
    try:
        return asyncio.run(_run(options.replicas, ports, once=options.once))
    except (PortInUseError, SandboxPortInUseError) as error:
        _OUT.print(f"{error.strerror or error}\n--port, --page-port and --idaas-port move ports")
        return 2


async def _run(replicas: int, ports: Ports, *, once: bool) -> int:
    stopped = asyncio.Event()
    for each in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(each, stopped.set)
    _OUT.print("starting the sandbox, PostgreSQL, Redis, the replicas, the balancer and the page …")
    async with cluster(replicas, ports) as running:
        _print_addresses(running)
        work = asyncio.create_task(_demonstrate(running))
        waiting = asyncio.create_task(stopped.wait())
        await asyncio.wait({work, waiting}, return_when=asyncio.FIRST_COMPLETED)
        status = 0
        if work.done():
            status = work.result()
            if not once:
                _OUT.print("\n[bold green]ready[/]: sign in on the page (Ctrl-C stops all)", markup=True)
                await waiting
        work.cancel()
        waiting.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await work
    _OUT.print("stopped")
    return status


async def _demonstrate(running: Cluster) -> int:
    killed = running.replicas[0].name
    _OUT.print(
        f"\nalice applies for leave; {len(PEOPLE) - 1} others chat; {killed} is killed, alice approves …\n"
    )
    sights = await demonstrate(running, PEOPLE)
    _print(sights)
    applied = running.sandbox.cloud.counters.snapshot().get("function_compute:leave_applied", 0)
    _OUT.print(f"\nthe leave service recorded {applied} application; {killed} runs again")
    return 1 if applied != 1 or any(sight.faults for sight in sights) else 0


def _print_addresses(running: Cluster) -> None:
    secrets = running.sandbox.cloud.secrets
    table = Table.grid(padding=(0, 3))
    table.add_row("page", running.page)
    table.add_row("sign in", f"alice   password {secrets.alice_password}")
    table.add_row("balancer", running.address)
    for replica in running.replicas:
        table.add_row(replica.name, f"http://127.0.0.1:{replica.port}")
    _OUT.print(table)
    _OUT.print(f"logs are in {running.folder}")


def _print(sights: Sequence[Sight]) -> None:
    table = Table("person", "asked", "replicas", "saw", "lost or doubled", pad_edge=False)
    for sight in sights:
        replicas = ", then ".join(each.removeprefix("replica-") for each in sight.replicas)
        table.add_row(
            sight.person, sight.asked, replicas, "; ".join(sight.seen), "; ".join(sight.faults) or "nothing"
        )
    _OUT.print(table)


if __name__ == "__main__":
    sys.exit(main())
