"""The page in a browser, as the core's tests of the page have it."""

from tests.frontend.conftest import bank as bank
from tests.frontend.conftest import browser as browser
from tests.frontend.conftest import browser_context as browser_context
from tests.frontend.conftest import devtools as devtools
from tests.frontend.conftest import lasting_agent as lasting_agent
from tests.frontend.conftest import page as page
from tests.frontend.conftest import page_switch as page_switch
from tests.frontend.conftest import resting_page as resting_page
from tests.frontend.conftest import served_lasting_agent as served_lasting_agent
