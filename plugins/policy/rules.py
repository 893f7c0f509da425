"""A file of Cedar policies that was checked: whole, parsed, and valid for each tool that it is about.

Cedar names no lines, and some expressions end the process that parses them: the text is split and bounded
here first. `plugins/policy/README.md` describes the file.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, NamedTuple
from weakref import WeakValueDictionary

from cachetools import LRUCache
from cedarpy import Entities, PolicySet, Schema, policies_to_json_str, validate_policies

from agent.errors.error_codes import AgentCode
from identity.errors import ConfigurationError
from identity.secrets.secret_file import read_bounded_text
from plugins.policy.impossible import faults_of, never_satisfied
from plugins.policy.schema import FRACTION, RecordType, ToolAction, Vocabulary, input_type, schema_text
from plugins.policy.statement import Statement
from tools.approval_policy import Effect

END: Final = "// end"
"""The last line of each file: without it, a file that was cut after a rule would be one with fewer rules."""
_MAX_BYTES: Final = 512 * 1024
_MAX_RULES: Final = 1_000
_MAX_CHARACTERS: Final = 16 * 1024
_MAX_NESTING: Final = 100
_MAX_DOTS: Final = 200
"""In one rule. Some 670 nested parentheses, or 5,000 nested `if`, end the process; the time for `has a.b.c`
grows with the cube of its length.
"""
_TOKEN: Final = re.compile(r'"(?:[^"\\]|\\.)*"?|//[^\r\n]*|[][(){};.]|\bif\b', re.DOTALL)
_ORDER: Final = {"lessThan": "<", "lessThanOrEqual": "<=", "greaterThan": ">", "greaterThanOrEqual": ">="}
"""Cedar's functions of decimals, and the operators of integers."""
_OUTCOMES: Final = 1_024
"""The evaluations whose outcome is known."""
_ERROR: Final = re.compile(r"^for policy `policy\d+`[:,] ")


def _with_integers(node: Any) -> Any:  # noqa: ANN401 - JSON
    """Rules in Cedar's JSON, with integers in place of decimals."""
    match node:
        case {"decimal": [{"Value": text}]}:
            return {"Value": int(Decimal(text) * FRACTION)}
        case {} if (name := next(iter(node), "")) in _ORDER and isinstance(node[name], list):
            left, right = map(_with_integers, node[name])
            return {_ORDER[name]: {"left": left, "right": right}}
        case {}:
            return {name: _with_integers(member) for name, member in node.items()}
        case list():
            return [_with_integers(element) for element in node]
    return node


@dataclass(frozen=True, slots=True)
class ToolRules:
    """The rules about the calls of one tool. `members` are those of records that its rules mention."""

    action: ToolAction
    schema: Schema
    input: RecordType
    statements: Sequence[Statement]
    members: frozenset[str]
    sum: str | None
    known_groups: frozenset[str]
    never: Sequence[Statement]
    """The statements that no call of the tool satisfies."""
    enforced: "Policies"
    with_observed: "Policies | None"
    entities: LRUCache[tuple[object, ...], Entities] = field(default_factory=lambda: LRUCache(256))
    """The entities of the people of the latest calls."""


class Outcome(NamedTuple):
    """Whether Cedar allows a call, by which rules, and whether one of them has failed."""

    allowed: bool
    names: tuple[str, ...]
    failed: bool


class Policies:
    """Rules that are evaluated together, about calls that the actions of their scopes include.

    `groups` are those of which an approver may have to be, `ages` are those of a sign-in that are tried, the
    longest first. `members` are the members of records that they mention. Decimals are integers of
    ten-thousandths, which Cedar evaluates in a fraction of the time, with the same outcome.
    """

    def __init__(self, statements: Sequence[Statement]) -> None:
        self.names: Final = {f"{number:04}": statement.name for number, statement in enumerate(statements)}
        """By their ids in `set`, whose order is that of the file."""
        forms = ({**statement.form, "action": {"op": "All"}, "annotations": {}} for statement in statements)
        policies = dict(zip(self.names, map(_with_integers, forms), strict=True))
        document = {"staticPolicies": policies, "templates": {}, "templateLinks": []}
        self.set: Final = PolicySet.from_json_str(json.dumps(document))
        asking = (statement for statement in statements if "approver" in statement.members)
        self.members: Final = {name for statement in statements for name in statement.members}
        self.groups: Final = sorted({name for statement in asking for name in statement.groups})
        self.ages: Final = sorted({age for statement in statements for age in statement.ages}, reverse=True)
        self.outcomes: Final[LRUCache[tuple[object, ...], Outcome]] = LRUCache(_OUTCOMES)
        """Of the latest evaluations, by all that they depend on (`plugins.policy.decision`)."""


@dataclass(frozen=True)
class Rules:
    """The rules of one file, in its order. Immutable, but for what `of` remembers."""

    digest: str
    statements: Sequence[Statement]
    vocabulary: Vocabulary
    _of: LRUCache[str, "ToolRules | ConfigurationError"] = field(default_factory=lambda: LRUCache(1024))
    _sets: WeakValueDictionary[tuple[int, ...], Policies] = field(default_factory=WeakValueDictionary)
    _supposed: dict[tuple[frozenset[str], bool], "Rules"] = field(default_factory=dict)

    def assuming(self, unknown: frozenset[str], *, permitted: bool) -> "Rules":
        """The rules that are enforced, of which none that mentions something `unknown` is satisfied; with
        `permitted`, all is permitted that they do not forbid.
        """
        if (supposed := self._supposed.get((unknown, permitted))) is None:
            enforced = (statement for statement in self.statements if not statement.observed)
            as_supposed = [
                statement.never if statement.mentions(unknown) else statement for statement in enforced
            ]
            as_supposed += _parsed([(0, "permit (principal, action, resource);")]) * permitted
            supposed = self._supposed[unknown, permitted] = Rules(self.digest, as_supposed, self.vocabulary)
        return supposed

    def _policies(self, statements: Sequence[Statement]) -> Policies:
        """One for all tools that the same rules are about."""
        key = tuple(map(id, statements))
        if (policies := self._sets.get(key)) is None:
            policies = self._sets[key] = Policies(statements)
        return policies

    @property
    def failure(self) -> ConfigurationError | None:
        """The first failure of `of`."""
        return next(
            (outcome for outcome in self._of.values() if isinstance(outcome, ConfigurationError)), None
        )

    def of(self, action: ToolAction) -> ToolRules:
        """The rules for calls of a tool, checked against its parameters once.

        Raises `ConfigurationError` that names the lines that do not fit them.
        """
        if (rules := self._of.get(action.key)) is None:
            try:
                rules = self._checked(action)
            except ConfigurationError as error:
                rules = error
            self._of[action.key] = rules
        if isinstance(rules, ConfigurationError):
            raise rules.again()
        return rules

    def _checked(self, action: ToolAction) -> ToolRules:
        vocabulary = self.vocabulary
        statements = [statement for statement in self.statements if statement.applies(action)]
        members = frozenset[str]().union(*(statement.members for statement in statements))
        sums = {statement.sum for statement in statements if statement.sum is not None}
        kind = input_type(action.parameters)
        faults = []
        if "today" in members and not vocabulary.counts:
            faults.append(f'"{action.name}": context.today needs CONVERSATIONS_URL, where calls are counted')
        if len(sums) > 1:
            named = " and ".join(f'"{name}"' for name in sorted(sums))
            faults.append(f'"{action.name}" has sums of {named}: one argument of a tool can be summed')
        faults += [
            f'@sum("{name}"): "{action.name}" requires no number of this name'
            for name in sums
            if kind.members.get(name) not in (("Long", True), ("decimal", True))
        ]
        others = frozenset[str]().union(*(statement.mentioned_actions for statement in statements))
        schema = Schema.from_str(schema_text(action, vocabulary, others, members, summed=bool(sums)))
        text = "\n".join(statement.text for statement in statements)
        result = validate_policies(text, schema, release_gil=True)
        for error in result.errors:
            number = error.policy_id.removeprefix("policy")
            place = f"{statements[int(number)].line}: " if number else ""
            faults.append(f"{place}{_ERROR.sub('', error.error)}")
        if faults or not result.validation_passed:
            raise _invalid([*dict.fromkeys(faults)])
        # The others are assumed (`assuming`).
        written = [statement for statement in statements if statement.text]
        never = never_satisfied(written, schema)
        for statement in written:
            if statement.actions == frozenset({action.name}):
                faults += _impossible(statement, [action], vocabulary, is_never=statement in never)
        if faults:
            raise _invalid([*dict.fromkeys(faults)])
        enforced = [statement for statement in statements if not statement.observed]
        with_observed = self._policies(statements) if len(enforced) < len(statements) else None
        return ToolRules(
            action,
            schema,
            kind,
            statements,
            members=members,
            sum=next(iter(sums), None),
            known_groups=vocabulary.groups,
            never=never,
            enforced=self._policies(enforced),
            with_observed=with_observed,
        )


def read_rules(path: Path, vocabulary: Vocabulary) -> Rules:
    """The rules of a file. Takes some milliseconds for each known tool, without the interpreter's lock.

    Raises `ConfigurationError` with every fault that was found, each with its line. A rule that names a tool
    which a server has not listed yet is checked when it has (`Rules.of`).
    """
    try:
        if path.exists() and not path.is_file():  # a pipe would block
            raise _invalid(["is not a file"])
        text = read_bounded_text(path, _MAX_BYTES)
    except ValueError as error:
        raise _invalid([str(error)]) from None
    statements = _parsed(list(_split(text)))
    rules = Rules(hashlib.sha256(text.encode()).hexdigest(), statements, vocabulary)
    faults = [
        f'{statement.line}: there is no tool "{name}"; there are {", ".join(vocabulary.similar(name))}'
        for statement in statements
        for name in sorted(statement.mentioned_actions)
        if name not in {*vocabulary.actions, *vocabulary.names, *Effect} and not vocabulary.waits(name)
    ]
    faults += [
        f'{statement.line}: no action equals an effect: write action in Action::"{name}"'
        for statement in statements
        for name in statement.compared_effects
    ]
    names = [statement.name for statement in statements]
    faults += [
        f'{statement.line}: @id("{statement.name}") is there twice'
        for statement in statements
        if names.count(statement.name) > 1
    ]
    if faults:
        raise _invalid(faults)
    checked: list[ToolRules] = []
    for action in vocabulary.actions.values():
        try:
            checked.append(rules.of(action))
        except ConfigurationError as error:
            faults += error.faults
    if faults:
        raise _invalid([*dict.fromkeys(faults)])
    for statement in statements:
        about = [tool for tool in checked if statement.applies(tool.action)]
        if vocabulary.may_list(statement.actions):
            about = []
        is_never = bool(about) and all(statement in tool.never for tool in about)
        actions = [tool.action for tool in about]
        faults += _impossible(statement, actions, vocabulary, is_never=is_never)
    if faults:
        raise _invalid([*dict.fromkeys(faults)])
    return rules


def _impossible(
    statement: Statement, actions: Sequence[ToolAction], known: Vocabulary, *, is_never: bool
) -> list[str]:
    """The reasons why a rule is impossible, with its line: its conditions as a whole only if nothing else
    explains it.
    """
    faults = list(faults_of(statement, actions, known))
    if is_never and not faults:
        faults.append("no call satisfies the rule: its conditions are always false")
    return [f"{statement.line}: {fault}" for fault in faults]


def _split(text: str) -> Iterator[tuple[int, str]]:
    """The rules of `text`, each with its line. Raises `ConfigurationError` for one that is not bounded."""
    lines = text.rstrip().rsplit("\n", 1)
    if lines[-1].strip() != END:
        raise _invalid([f'{text.count(chr(10)) + 1}: the last line must be "{END}": the file may be cut off'])
    began = 0
    depth = 0
    deepest = 0
    dots = 0
    ifs = 0
    rules = 0
    for token in _TOKEN.finditer(text):
        piece = token[0]
        if piece.startswith("//"):
            if not text[began : token.start()].strip():
                began = token.end()
            continue
        if len(piece) == 1:
            depth += (piece in "([{") - (piece in ")]}")
        deepest = max(deepest, depth)
        dots += piece == "."
        ifs += piece == "if"
        if piece != ";":
            continue
        rule = text[began : token.end()]
        line = text.count("\n", 0, began) + rule[: len(rule) - len(rule.lstrip())].count("\n") + 1
        rules += 1
        if deepest + ifs > _MAX_NESTING or dots > _MAX_DOTS or len(rule) > _MAX_CHARACTERS:
            limits = f"{_MAX_NESTING} levels, {_MAX_DOTS} dots and {_MAX_CHARACTERS} characters"
            raise _invalid([f"{line}: a rule must have at most {limits}"])
        if rules > _MAX_RULES:
            raise _invalid([f"{line}: a file must have at most {_MAX_RULES} rules"])
        yield line, rule.strip()
        began = token.end()
        depth = 0
        deepest = 0
        dots = 0
        ifs = 0
    if rest := re.sub(r"//[^\r\n]*", "", text[began:]).strip():
        line = text.count("\n", 0, text.index(rest.split("\n")[0], began)) + 1
        raise _invalid([f'{line}: a rule ends without ";"'])


def _parsed(rules: Sequence[tuple[int, str]]) -> list[Statement]:
    statements = []
    faults = []
    for line, text in rules:
        try:
            form_text = policies_to_json_str(text)
        except ValueError as error:
            faults.append(f"{line}: {error}")
            continue
        try:
            PolicySet.from_json_str(form_text)
        except ValueError:  # Cedar's reader of JSON follows 127 levels
            raise _invalid([f"{line}: a rule must have at most some 50 parts that operators join"]) from None
        forms = json.loads(form_text)
        [form] = forms["staticPolicies"].values() or [None]
        if form is None:
            faults.append(f"{line}: a template is no rule")
        else:
            statements.append(Statement(line, text, form, form.get("annotations", {})))
    if faults:
        raise _invalid(faults)
    return statements


def _invalid(faults: Sequence[str]) -> ConfigurationError:
    return ConfigurationError(AgentCode.POLICY_INVALID, list(faults))
