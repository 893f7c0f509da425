"""An agent in its own process, under all means of observation that a process has.

Every logger prints at DEBUG, unmasked; a tracer provider of OpenTelemetry prints every span; LangSmith's
tracing is on. Argument: a file for the address. Ends when standard input does.
"""

import asyncio
import logging
import os
import sys
from pathlib import Path

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SimpleSpanProcessor

from agent.api.app import create_app
from agent.http.web_server import listen, serve_until_stopped, web_server
from agent.settings.settings import read_settings


async def main(address_file: Path) -> None:
    """Serves until standard input ends."""
    logging.basicConfig(level=logging.DEBUG, stream=sys.stderr, format="%(name)s %(message)s")
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(ConsoleSpanExporter(out=sys.stdout)))
    trace.set_tracer_provider(provider)
    with trace.get_tracer("watch").start_as_current_span("the-watch-works"):
        pass
    listener = listen("127.0.0.1", 0, "the agent", "nothing")
    server = web_server(create_app(read_settings(os.environ)))
    serving = asyncio.create_task(serve_until_stopped({listener: server}))
    address = f"http://127.0.0.1:{listener.getsockname()[1]}"  # accepts already, by its queue
    address_file.write_text(address)  # noqa: ASYNC240 - a few bytes
    await asyncio.to_thread(sys.stdin.read)
    server.should_exit = True
    await serving


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
