"""Aegra for suites that send no access token: outside of it, the token in the file `REFEREE_TOKEN_FILE`."""

import os
from pathlib import Path
from typing import Final

from aegra_api.main import app as served

from tests.referees.signed_in import SignedIn


def _token() -> str:
    return Path(os.environ["REFEREE_TOKEN_FILE"]).read_text(encoding="utf-8")


app: Final = SignedIn(served, token=_token)
