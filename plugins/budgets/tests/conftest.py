"""Databases that several processes share."""

from tests.agent.conftest import database as database
from tests.agent.conftest import new_database as new_database
