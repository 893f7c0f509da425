"""What is known of calls outlives an event loop: a script may have two, and a notebook many."""

import asyncio

from tests.library.called_app import APPROVE, Bank, CalledApp, called_app, decisions, pay, question_of


def test_question_of_one_event_loop_is_answered_in_the_next():
    bank = Bank()

    async def asks() -> CalledApp:
        app = await called_app(bank)
        question_of(await app.ask(pay(50)))
        return app

    app = asyncio.run(asks())
    asyncio.run(app.run(decisions(APPROVE)))
    assert bank.paid == [50]
