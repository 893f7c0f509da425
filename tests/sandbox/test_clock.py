"""The sandbox's clock stands still unless a test moves it."""

from sandbox.clock import SettableClock


def test_time_moves_only_by_advance() -> None:
    clock = SettableClock(now=1000.0)
    assert clock() == clock() == 1000.0
    clock.advance(61.5)
    assert clock() == 1061.5


def test_the_cloud_reads_the_clock_of_the_test(sandbox) -> None:
    token = sandbox.access_token(lifetime=60)
    assert sandbox.cloud.access_tokens.verify(token).issued_at == sandbox.clock.now
