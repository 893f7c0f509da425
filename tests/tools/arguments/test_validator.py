"""Work for schemas from outside and for arguments of the model is bounded."""

import pytest

from identity.transport.json_size import TooLargeError
from tests.responsive import responsive
from tools.arguments.fault import MAX_CHARACTERS, MAX_DEPTH, MAX_NODES, ArgumentFault
from tools.arguments.schema_budget import _DRAFTS as DRAFTS
from tools.arguments.schema_budget import MalformedSchemaError, checked_draft
from tools.arguments.validator import BoundedValidator

pytestmark = pytest.mark.promise("bounded")

DRAFT_4 = "http://json-schema.org/draft-04/schema#"
DRAFT_7 = "http://json-schema.org/draft-07/schema#"
DRAFT_2019 = "https://json-schema.org/draft/2019-09/schema"
EVIL = "^((.)+.?)+[0-9]$"


def of(**properties):
    return {"type": "object", "properties": properties}


def doubled(levels, keyword):
    """Each level refers to the next one twice: 2 to the power of `levels` subschemas, references followed."""
    definitions = {f"d{n}": {keyword: [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(levels)}
    return {
        "type": "object",
        "$defs": {**definitions, f"d{levels}": {"type": "object"}},
        "$ref": "#/$defs/d0",
    }


def nested(levels, value):
    for _ in range(levels):
        value = {"a": value}
    return value


DEEP = {"type": "object"}
for _ in range(40):
    DEEP = of(deeper=DEEP)

BEYOND = {
    "references that double, 1,250 bytes": doubled(17, "allOf"),
    "references that double, 4 KB": doubled(60, "allOf"),
    "choices that double": doubled(9, "anyOf"),
    "deep": DEEP,
    "a chain of references": {
        "type": "object",
        "$defs": {f"d{n}": {"$ref": f"#/$defs/d{n + 1}"} for n in range(40)} | {"d40": {}},
        "$ref": "#/$defs/d0",
    },
    "wide": of(**{f"p{n}": {} for n in range(1_001)}),
    "long": of(a={"description": "x" * 33_000}),
    "to itself": {"type": "object", "$ref": "#"},
    "to itself by a choice": {"type": "object", "anyOf": [{"$ref": "#"}, {"$ref": "#"}]},
    "long expressions": of(a={"pattern": "[^\\x01-\\ufff0]" * 100}),
}


@pytest.mark.parametrize("what", BEYOND)
async def test_schema_beyond_the_budget_is_refused(what):
    async with responsive():
        with pytest.raises(TooLargeError):
            BoundedValidator(BEYOND[what])


MALFORMED = {
    "type": of(a={"type": "nothing"}),
    "required": {"type": "object", "required": "a"},
    "properties": {"type": "object", "properties": []},
    "subschema": of(a=[]),
    "items": of(a={"items": 5}),
    "expression": of(a={"pattern": "("}),
    "name of an expression": {"type": "object", "patternProperties": {"(": {}}},
    "expression with flags": of(a={"pattern": "(?i)[\\x00-\\uffff]"}),
    "maximum": of(a={"maximum": "9"}),
    "reference to no schema": {**of(a={"$ref": "#/x"}), "x": [1]},
    "reference to nothing": of(a={"$ref": "#/$defs/gone"}),
    "reference to no anchor": of(a={"items": {"$ref": "#gone"}}),
    "reference to a place that is no anchor": of(a={"$ref": "#a/b"}),
    "dynamic reference to nothing": of(a={"$dynamicRef": "#gone"}),
    "reference without its fragment": {**of(a={"$ref": "$defs/x"}), "$defs": {"x": {}}},
    "reference in what is referred to": {
        **of(a={"$ref": "#/x"}),
        "x": {"anyOf": [{"type": "null"}, {"$ref": "#/y"}]},
    },
    "items of an older draft": of(a={"items": [{"type": "string"}]}),
    "limit of draft 4": of(a={"maximum": 5, "exclusiveMaximum": True}),
    "limit after draft 4": {"$schema": DRAFT_4, **of(a={"exclusiveMaximum": 5})},
    "draft 3": {"$schema": "http://json-schema.org/draft-03/schema#", **of(a={"extends": {}})},
}


@pytest.mark.parametrize("what", MALFORMED)
def test_malformed_schema_is_refused(what):
    with pytest.raises(ValueError, match=r"\w"):
        checked_draft(MALFORMED[what])


def test_reference_that_leads_nowhere_is_named_on_one_line():
    with pytest.raises(MalformedSchemaError) as caught:
        BoundedValidator(of(a={"$ref": "#/$defs/a\nb" + "x" * 900}))
    assert str(caught.value).startswith('the reference "')
    assert str(caught.value).endswith("leads nowhere")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 200


OTHER = {"$ref": "https://elsewhere.example/schema#/$defs/a"}
ELSEWHERE = [
    of(a={"not": OTHER}, b={"type": "string"}),
    of(a={"not": {"not": OTHER}}, b={"type": "string"}),
    of(a={"oneOf": [OTHER, {"type": "integer"}]}, b={"type": "string"}),
    of(a={"oneOf": [OTHER, {"$ref": "https://elsewhere.example/schema#/$defs/b"}]}, b={"type": "string"}),
    of(a={"if": OTHER, "then": {"type": "string"}}, b={"type": "string"}),
    of(a={"$ref": "https://elsewhere.example/schema#/$defs/a"}, b={"type": "string"}),
    {"$id": "https://here.example/schema", **of(a={"$ref": "other"}, b={"type": "string"})},
]


@pytest.mark.promise("approval-binds")
@pytest.mark.parametrize("schema", ELSEWHERE)
def test_all_but_what_another_document_says_is_checked(schema):
    validator = BoundedValidator({**schema, "required": ["b"]})
    assert validator.faults({"a": 1, "b": "x"}) == []
    assert [fault.argument for fault in validator.faults({"a": 1, "b": 2})] == ["b"]
    assert [fault.argument for fault in validator.faults({"a": 1})] == ["b"]


FORMS = [None, True, 0, -1, 1.5, "", "a", "#", "#a", [], ["a"], [1], [{}], [[]]]
FORMS += [{}, {"a": 1}, {"a": "b"}, {"a": []}, {"a": ["b"]}, {"a": [1]}, {"a": {}}, {"a": None}]
VALUES = [None, True, 1, 2.5, "a", [], [1, "a", {}], {}, {"a": 1, "b": [1]}]


@pytest.mark.promise("approval-binds")
@pytest.mark.parametrize("draft", DRAFTS, ids=lambda draft: draft.__name__)
def test_keyword_of_any_form_is_refused_with_the_schema_or_checks_every_call(draft):
    """What fails late is either no check, or a tool that refuses all calls."""
    usable = 0
    for keyword in draft.VALIDATORS:
        for form in FORMS:
            schema = {"$schema": draft.META_SCHEMA["$schema"], **of(value={keyword: form})}
            try:
                validator = BoundedValidator(schema)
            except (MalformedSchemaError, TooLargeError):
                continue
            usable += 1
            for value in VALUES:
                faults = validator.faults({"value": value})
                assert "cannot be checked" not in str(faults), (keyword, form, value)
    assert usable > len(FORMS)


USUAL = [
    {"type": "object"},
    of(city={"type": "string", "pattern": "^[a-z]+$", "format": "city"}),
    {**of(a={"$ref": "#/$defs/x"}), "$defs": {"x": {"enum": [1, None, {}]}}, "required": ["a"]},
    {"$schema": DRAFT_7, **of(a={"items": [{"type": ["string", "null"]}], "additionalItems": False})},
    {"$schema": DRAFT_4, **of(a={"maximum": 5, "exclusiveMaximum": True}), "dependencies": {"a": ["b"]}},
    of(a={"$ref": "https://elsewhere.example/schema"}),
    {
        "$defs": {"x": {"$anchor": "here", "type": "string"}},
        **of(a={"$ref": "#here"}, b={"$dynamicRef": "#here"}),
    },
    {"$schema": DRAFT_2019, **of(a={"$recursiveRef": "#"}, b={"items": [{}]})},
]


@pytest.mark.parametrize(
    "expression",
    [
        "^\\p{L}[\\p{Letter}\\P{Cc}-]*$",
        "[\\u{1F600}-\\u{1F64F}]",
        "(?<year>\\d{4})-\\k<year>",
        "\\cJ",
        "(?<=a)b(?<!c)",
        "a\\\\p{2}",
    ],
)
def test_expression_of_ecma_262_that_python_does_not_know_is_accepted(expression: str):
    BoundedValidator(of(a={"pattern": expression}))


@pytest.mark.parametrize("expression", ["\\p{L}(", "(?<year", "(?<a>(?<b>x)"])
def test_malformed_expression_of_ecma_262_is_refused(expression: str):
    with pytest.raises(ValueError, match="not a regular expression"):
        checked_draft(of(a={"pattern": expression}))


def test_whole_number_of_a_keyword_may_be_written_as_a_decimal():
    validator = BoundedValidator(of(a={"maxLength": 2.0, "minLength": 1.0}))
    assert validator.faults({"a": "ab"}) == []
    assert [fault.argument for fault in validator.faults({"a": "abc"})] == ["a"]
    with pytest.raises(ValueError, match="wrong form"):
        checked_draft(of(a={"maxLength": 2.5}))


@pytest.mark.parametrize("schema", USUAL)
def test_common_schema_is_accepted(schema):
    BoundedValidator(schema)


def test_recursive_schema_is_checked_to_the_depth_of_the_arguments():
    tree = {"type": "object", "properties": {"below": {"type": "array", "items": {"$ref": "#"}}}}
    validator = BoundedValidator(tree)
    assert validator.faults({"below": [{"below": [{}]}]}) == []
    assert validator.faults({"below": [{"below": 5}]}) == [
        ArgumentFault("below.0.below", "5 is not of type 'array'")
    ]


TWICE = of(a={"allOf": [{"$ref": "#"}, {"$ref": "#"}]})
HEAVY = {
    "two references to itself": (TWICE, nested(24, {})),
    "choices of itself": (of(a={"anyOf": [{"$ref": "#"}, {"$ref": "#"}]}), nested(24, 5)),
    "900 choices for 9,000 values": (
        of(a={"items": {"anyOf": [*[{"type": "string"}] * 900, {}]}}),
        {"a": [1] * 9_000},
    ),
    "long faults": (of(a={"anyOf": [{"type": "string"}] * 900}), {"a": ["\x01" * 200_000]}),
    "900 searches": (of(a={"allOf": [{"uniqueItems": True}] * 900}), {"a": list(range(5_000))}),
    "equal but for the end": (
        of(a={"items": {"enum": [*[[[0] * 98 + [2]]] * 39, [[0] * 98 + [1]]]}}),
        {"a": [[[0] * 98 + [1]]] * 90},
    ),
}


@pytest.mark.parametrize("what", HEAVY)
async def test_check_of_arguments_beyond_its_steps_is_a_fault(what):
    schema, arguments = HEAVY[what]
    validator = BoundedValidator(schema)
    async with responsive():
        (fault,) = validator.faults(arguments)
    assert "cannot be checked" in str(fault)


async def test_unique_items_are_checked_without_comparing_all_pairs():
    validator = BoundedValidator(of(a={"uniqueItems": True}))
    async with responsive():
        assert validator.faults({"a": [{"x": n} for n in range(4_000)]}) == []
    assert validator.faults({"a": [{"x": 1, "y": [2]}, {"y": [2.0], "x": 1}]})
    assert validator.faults({"a": [1, True, "1", None, [1], {"1": 1}]}) == []


@pytest.mark.parametrize(
    "schema",
    [
        of(a={"pattern": EVIL}),
        {"type": "object", "patternProperties": {EVIL: {}}, "additionalProperties": False},
        of(a={"$schema": DRAFT_7, "pattern": EVIL}),
        {"$schema": DRAFT_7, **of(a={"$ref": "#/definitions/x"}), "definitions": {"x": {"pattern": EVIL}}},
        {"$schema": DRAFT_7, "pattern": EVIL, **of(a={"anyOf": [{"$ref": "#"}, {}]})},
    ],
    ids=["pattern", "names", "draft of a subschema", "definition", "root"],
)
async def test_regular_expressions_of_a_server_are_never_matched(schema):
    validator = BoundedValidator(schema)
    async with responsive():
        assert validator.faults({"a": "a" * 60 + "!", "a" * 60 + "!": ""}) == []


async def test_arguments_beyond_the_bounds_are_refused_before_validation():
    validator = BoundedValidator({"type": "object"})
    for arguments in (nested(MAX_DEPTH, {}), {"a": [1] * MAX_NODES}, {"a": "x" * (MAX_CHARACTERS + 1)}):
        async with responsive():
            (fault,) = validator.faults(arguments)
        assert str(fault).startswith('"arguments": it ')


def test_faults_are_few_and_short():
    validator = BoundedValidator(of(a={"items": {"type": "string"}}))
    faults = validator.faults({"a": [{"x" * 9_000: 1}] * 20})
    assert len(faults) == 5
    assert all(len(str(fault)) < 400 for fault in faults)
