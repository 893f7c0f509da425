"""The cost of many new users at once: `python -m benchmarks.concurrent_users 1 10 100`.

Prints the processor seconds for each number of users: verifying the caller, obtaining credentials, and
running the graph to its end. HTTP is not included, because the sockets and their client would dominate.
"""

import argparse
import asyncio
import json
import time
from collections.abc import Sequence

from langchain_core.messages import HumanMessage

from agent.http.memory import frozen_startup_objects
from agent.runs.run import Finished, end_of
from agent.runs.runs import Runs
from benchmarks.in_process.instant import InstantIssuer, instant_graph
from benchmarks.in_process.issuer import Issuer
from identity.credentials.broker import CredentialBroker


async def _cpu_seconds(issuer: Issuer, tokens: Sequence[str]) -> float:
    verifier, broker = issuer.verifier(), CredentialBroker(InstantIssuer())
    runs = Runs(instant_graph(verifier, broker), timeout=600)

    async def chat(token: str) -> None:
        caller = await verifier.verify(token)
        end, _ = await end_of(runs.start([HumanMessage("Hello!")], caller, streaming=False))
        assert isinstance(end, Finished)

    began = time.process_time()
    await asyncio.gather(*map(chat, tokens))
    took = time.process_time() - began
    await broker.aclose()
    return took


def main() -> None:
    """Prints the seconds as a JSON array."""
    parser = argparse.ArgumentParser()
    parser.add_argument("users", type=int, nargs="+")
    numbers = parser.parse_args().users
    issuer = Issuer()
    tokens = [issuer.access_token(f"user_{number}") for number in range(max(numbers))]
    with frozen_startup_objects():
        asyncio.run(_cpu_seconds(issuer, tokens[:10]))  # what the first run creates
    print(json.dumps([asyncio.run(_cpu_seconds(issuer, tokens[:number])) for number in numbers]))


if __name__ == "__main__":
    main()
