"""`http.app` of LangGraph Server for suites that send no access token: the agent's guards, and outside of
them the token in the file `REFEREE_TOKEN_FILE`.
"""

import os
from pathlib import Path
from typing import Final

from starlette.applications import Starlette
from starlette.middleware import Middleware

from agent.api.langgraph.route_guard import guarded
from tests.referees.signed_in import SignedIn


def _token() -> str:
    return Path(os.environ["REFEREE_TOKEN_FILE"]).read_text(encoding="utf-8")


app: Final = Starlette(middleware=[Middleware(SignedIn, token=_token), Middleware(guarded)])
