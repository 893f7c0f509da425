"""From an error to its cause: the error's detail distinguishes more causes than its code."""

import re

from agent.commands.doctor.explanation_rules import RULES
from agent.commands.doctor.finding import Explanation
from agent.commands.doctor.setting_names import Origin
from identity.errors import AgentError


def explanation(error: AgentError, part: str, origin: Origin) -> Explanation | None:
    """The first rule that applies to a failure of `part`; `None` if only the row of the error table does."""
    for pattern, reason, cause, remedy in RULES.get(error.code, ()):
        if re.search(pattern, error.detail):
            names = {
                "service": part,
                "credential": origin.credential,
                "credential_setting": origin.credential_setting,
                "url_setting": origin.url_setting,
            }
            return Explanation(reason, cause.format_map(names), remedy.format_map(names))
    return None
