"""A message beyond a limit of storage is refused as on other surfaces, before the model is called."""

import pytest
from a2a.utils.errors import UnsupportedOperationError

from plugins.a2a.tests.official_client import ClientOf
from tests.agent.api.threads.served_threads import ThreadsOf


@pytest.mark.promise("bounded")
@pytest.mark.parametrize(
    ("limit", "context", "code"),
    [
        ({"MAX_THREAD_MESSAGES": "2"}, "first", "conversation_full"),
        ({"MAX_USER_BYTES": "6000"}, "second", "storage_full"),
        ({"MAX_USER_THREADS": "1"}, "second", "storage_full"),
    ],
)
async def test_message_beyond_a_limit_is_refused(
    threads: ThreadsOf, client: ClientOf, limit: dict[str, str], context: str, code: str
) -> None:
    served = await threads(**limit)
    assert (await served.say("x" * 3_600, "first")).status_code == 200
    asked = len(served.model.asked)
    with pytest.raises(UnsupportedOperationError) as refused:
        await (await client(served)).send("x" * 1_000, contextId=context)
    assert refused.value.data["code"] == code
    assert len(served.model.asked) == asked
