"""Parts of a text that mean something by their form: quotations, clauses, numbers, names, ends of a way."""

import re

from sandbox.model_studio.planner.vocabulary import LANGUAGE

_QUOTED = re.compile(
    r"\"([^\"]+)\"|“([^”]+)”|「([^」]+)」|『([^』]+)』|《([^》]+)》|(?<!\w)['‘]([^'’]+)['’](?!\w)"
)
_SEPARATOR = re.compile(
    r"\s*[;；]\s*|(?<=[?!.])\s+|[。？！?!]|[，、]|,?\s+and\s+(?:then\s+|also\s+)?|,?\s+then\s+|,\s+(?:also|plus)\s+"
    r"|并且|以及|还有|然后|同时|顺便|并|再|和|与|跟",
    re.IGNORECASE,
)
_COORDINATES = re.compile(r"(?<![\d.])(-?\d{1,3}\.\d+)\s*[,，]\s*(-?\d{1,2}\.\d+)(?![\d.])")
_IP = re.compile(r"(?<![\d.])(?:\d{1,3}\.){3}\d{1,3}(?![\d.])")
_EMAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+", re.ASCII)
_NUMBER = re.compile(
    r"(?<![\w.\-])-?\d+(?:\.\d+)?(?![\w\-])(?!\.\d)|(?<=[\u3400-\u9fff])\d+(?=[\u3400-\u9fff])"
)
_WORDS: list[str] = LANGUAGE["numbers"]
_NUMBER_WORD = re.compile(rf"\b(?:{'|'.join(_WORDS)})\b|[一二两三四五六七八九十](?=天)", re.IGNORECASE)
_CODE = re.compile(r"(?<![\w.])#?((?=[A-Za-z\-_]*\d)[A-Za-z0-9][A-Za-z0-9\-_]{2,})(?![\w.]*\w)", re.ASCII)
_LENGTH = re.compile(r"(\d+(?:\.\d+)?)\s*(km|kilomet\w+|公里|千米|m\b|met\w+|米)", re.IGNORECASE)
_SAID = re.compile(
    r"\b(?:say(?:ing)?|says|with\s+the\s+(?:message|text|words)|tell\s+(?:it|them|him|her)(?:\s+that)?|message)"
    r"\s*[:：]?\s+(.+?)\s*[?.!]*$|(?:说|内容是|内容为|消息是|消息为|发送消息|留言)\s*[:：]?\s*(.+?)[。！？]*$|[:：]\s*(.+)$",
    re.IGNORECASE,
)
_NAME = re.compile(r"(?<![.?!]\s)(?<!^)\b([A-Z][\w'’-]+(?:\s+(?:[A-Z][\w'’-]+|\d[\w-]*))*)")
_NO_NAME = {"I'm", "I'd", "I'll", "IP", "API"}
_STOP = r"(?=\s*(?:[?.!,;？。！，；]|$)|\s+(?:for|in|on|at|to|by|from|with|and|or|please|today|tomorrow)\b)"
_OBJECT = re.compile(
    rf"\b(?:for|of|about|on|named|called|regarding)\s+(?:(?:the|a|an|my|our)\s+)*(.+?){_STOP}", re.IGNORECASE
)
_OPENING = re.compile(
    r"^\W*(?:(?:and|or|but|so|then|what about|how about)\b|那么?|还有|换成|改成)\W*(?:then\b\W*)?",
    re.IGNORECASE,
)
_PREPOSITION = re.compile(r"^(?:(?:for|in|on|at|of|to|with|about)\b\s*(?:the\s+)?|在)", re.IGNORECASE)
_END = (
    r"(?=\s*(?:[?.!,;？。！，；]|$|\s(?:and|by|on|with|take|using|please|is|in the|tomorrow|today)\b))",
    r"(?=的|怎么|如何|有多|多远|多久|要|需要|开车|驾车|骑|步行|走|坐|乘|路线|距离|之间|[，。？！?,]|\s|$)",
)
_ENDS = (  # the origin before the destination, except in the third
    re.compile(rf"\bfrom\s+(.+?)\s+to\s+(.+?){_END[0]}", re.IGNORECASE),
    re.compile(rf"\bbetween\s+(.+?)\s+and\s+(.+?){_END[0]}", re.IGNORECASE),
    re.compile(rf"\b(?:is|to|reach)\s+(.+?)\s+from\s+(.+?){_END[0]}", re.IGNORECASE),
    re.compile(rf"从\s*(.+?)\s*(?:到|去|至)\s*(.+?){_END[1]}"),
    re.compile(rf"([\u3400-\u9fff\w]+?)\s*(?:到|至|和|与|跟|离)\s*([\u3400-\u9fff\w]+?){_END[1]}"),
)
_TO = re.compile(
    r"\bto\s+(?:the\s+)?(.+?)\s*(?:[?.!,;]|$)|(?:到|去|至)\s*(.+?)(?=[，。？！?!,]|的|怎么|$)", re.IGNORECASE
)
_MEANS = "开车|驾车|骑车|骑行|步行|走路|坐地铁"
_AROUND_PLACE = re.compile(
    rf"^(?:(?:请问|请帮我|帮我|请|查询|查一下|查|算一下|计算|测量|{_MEANS}|从)+|(?i:the|it)\s+)|(?:{_MEANS}|坐公交|坐火车|打车)$"
)
_HERE = {"here", "me", "my place", "my location", "it", "there", "这里", "这儿", "我这里", "我这", "那里"}


def quotations(text: str) -> tuple[str, ...]:
    """What stands in quotation marks."""
    return tuple(next(part for part in match.groups() if part) for match in _QUOTED.finditer(text))


def without_quotes(text: str) -> str:
    return _QUOTED.sub(" ", text)


def clauses(text: str) -> list[tuple[int, int, str]]:
    """Pieces between "and", commas and the like, as (start, end, the separator that follows).

    Quotations and `lng,lat` are not cut.
    """
    masked = text
    for pattern in (_QUOTED, _COORDINATES):
        masked = pattern.sub(lambda match: "\x00" * len(match[0]), masked)
    cuts = [(cut.start(), cut.end(), cut[0].strip()) for cut in _SEPARATOR.finditer(masked)]
    starts = [0, *(end for _, end, _ in cuts)]
    found = zip(starts, [*cuts, (len(text), 0, "")], strict=True)
    return [(start, end, joined) for start, (end, _, joined) in found if masked[start:end].strip()]


def coordinates(text: str) -> tuple[str, ...]:
    """Points as `lng,lat`."""
    return tuple(f"{lng},{lat}" for lng, lat in _COORDINATES.findall(text))


def ip_addresses(text: str) -> tuple[str, ...]:
    return tuple(_IP.findall(text))


def email_addresses(text: str) -> tuple[str, ...]:
    return tuple(_EMAIL.findall(text))


def numbers(text: str) -> tuple[str, ...]:
    """Plain numbers, outside of addresses and points; in words up to ten."""
    text = _NUMBER_WORD.sub(_digits, text)
    return tuple(_NUMBER.findall(_COORDINATES.sub(" ", _IP.sub(" ", text))))


def _digits(word: re.Match[str]) -> str:
    written = word[0].lower()
    return str(
        _WORDS.index(written)
        if written in _WORDS
        else "零一二三四五六七八九十".index(written.replace("两", "二"))
    )


def codes(text: str) -> tuple[str, ...]:
    """Identifiers such as `A-1007` or `20261124`."""
    return tuple(_CODE.findall(_COORDINATES.sub(" ", _IP.sub(" ", text))))


def metres(text: str) -> tuple[str, ...]:
    """Lengths such as `2 km` or 500米, in metres."""
    found = [(float(n), unit.lower()[0] in "k公千") for n, unit in _LENGTH.findall(text)]
    return tuple(str(round(length * (1000 if thousands else 1))) for length, thousands in found)


def names(text: str) -> tuple[str, ...]:
    """Names in capital letters that do not begin a sentence, with their numbers: `Zhang Wei`, `Apollo 7`."""
    return tuple(found for found in _NAME.findall(text) if found not in _NO_NAME)


def messages(text: str) -> tuple[str, ...]:
    """The message: after "saying" or 说, or after a colon."""
    found = _SAID.search(text)
    return tuple(part for part in found.groups() if part) if found else ()


def objects(text: str) -> tuple[str, ...]:
    """What follows "for", "about" and the like: `about parental leave`."""
    return tuple(_OBJECT.findall(text))


def labelled(label: str, text: str) -> tuple[str, ...]:
    """What is called `label`: `department Sales`, `title is x`, `the Apollo project`, `6 people`."""
    label = r"[\s_-]*".join(map(re.escape, label.split())) + r"s?\b"
    value = r"([\"“'][^\"”']+[\"”']|#?[A-Za-z]*-?\d[\w.-]*|(?-i:[A-Z][\w-]*)(?:\s+(?-i:[A-Z][\w-]*|\d+))*)"
    patterns = (
        rf"\b{label}\s*(?:\b(?:is|called|named)\b|[:=：]|是|为)\s*(.+?){_STOP}",
        rf"\b{label}\s+(?:(?:number|no\.?|id|code|of)\s+)?{value}",
        rf"(?-i:\b((?:[A-Z][\w-]*\s+)*[A-Z][\w-]*|\d+(?:\.\d+)?))\s+{label}",
    )
    found = (match[1].strip("\"“”' ") for p in patterns for match in re.finditer(p, text, re.IGNORECASE))
    return tuple(dict.fromkeys(found))


def opens_follow_up(text: str) -> bool:
    """Whether the text begins like a question that continues another: `And …`, `What about …`, 那…."""
    return bool(_OPENING.match(text)) or text.rstrip("?？。 ").endswith("呢")


def bare(text: str) -> str:
    """A follow-up question without its opening: `And in Paris?` → `Paris`."""
    rest = _OPENING.sub("", text).strip(" ?？.。!！").removesuffix("呢")
    return _PREPOSITION.sub("", rest).strip()


def ends(text: str) -> tuple[str, str] | None:
    """Origin and destination: `from A to B`, 从A到B, `between A and B`, A离B多远."""
    for i, pattern in enumerate(_ENDS):
        if found := pattern.search(text):
            first, last = _place(found[1]), _place(found[2])
            return (last, first) if i == 2 else (first, last)
    return None


def destination(text: str) -> str:
    """What follows "to" or 到; empty if neither is there."""
    found = _TO.search(text)
    return (found[1] or found[2]) if found else ""


def _place(text: str) -> str:
    place = _AROUND_PLACE.sub("", text.strip().strip("\"'“”"))
    return "" if place.lower() in _HERE else place
