"""The tests of pools and clients share the server and the libraries of those of the connections."""

from tests.http1.conftest import certificates as certificates
from tests.http1.conftest import library as library
from tests.http1.conftest import server as server
