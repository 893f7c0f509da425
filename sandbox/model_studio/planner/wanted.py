"""The free text that a person wants searched or said: keywords, a message, a name."""

import re

from sandbox.model_studio.planner.passages import quotations
from sandbox.model_studio.planner.places import known_places, without_places
from sandbox.model_studio.planner.vocabulary import CHINESE

_SEARCHED = re.compile(
    r"\b(?:find|search(?:\s+for)?|look(?:ing)?\s+(?:up|for)|show(?:\s+me)?|list|recommend|where\s+(?:can\s+i\s+find|are|is)|are\s+there"
    r"|any|need)\s+(?:me\s+)?(?:(?:some|any|a|an|the|good|nearby)\s+)*(.+?)"
    r"\s*(?:\b(?:in|near|around|at|close\s+to|by|within|from|nearby|for\s+me)\b|[?.!,;]|$)",
    re.IGNORECASE,
)
_CHINESE_NOISE = re.compile(
    "请问|请帮我|帮我|麻烦|请|搜索一下|搜索|搜一下|搜|查找|查询|查一下|查|找一下|找找|找|推荐一下|推荐|哪里有|哪儿有|哪有|有没有"
    "|有哪些|有什么|好吃的|好玩的|好的|附近的|附近|周边的|周边|周围的|周围|一些|几家|几个|一家|一个|一下|在|的|里|市|有|吗|呢"
    r"|[\d.]+\s*(?:公里|千米|米)以?内?|[，。？！、?!,.\s]"
)
_SAID = re.compile(
    r"\b(?:say(?:ing)?|says|with\s+the\s+(?:message|text|words)|tell\s+(?:it|them|him|her)(?:\s+that)?|message)\s*[:：]?\s+(.+?)\s*[?.!]*$"
    r"|(?:说|内容是|内容为|消息是|消息为|发送消息|留言)\s*[:：]?\s*(.+?)[。！？]*$|[:：]\s*(.+)$",
    re.IGNORECASE,
)
_ADDRESS = re.compile(
    r"\b(?:coordinates?|location|address|longitude|latitude|position|geocode)\s+(?:of|for|is|are)?\s*(?:the\s+)?(.+?)\s*(?:[?.!;]|$)"
    r"|\bwhere\s+is\s+(?:the\s+)?(.+?)\s*(?:[?.!;]|$)|\bgeocode\s+(.+?)\s*(?:[?.!;]|$)",
    re.IGNORECASE,
)
_CHINESE_ADDRESS = re.compile(r"(.+?)的?(?:经纬度|坐标|位置|地址|在哪)")
_NAME = re.compile(r"(?<![.?!]\s)(?<!^)\b([A-Z][\w'’-]+(?:\s+[A-Z][\w'’-]+)*)")
_NO_NAME = {"I", "I'm", "I'd", "I'll", "IP", "API"}


def keywords(text: str) -> str | None:
    """What is to be searched, without the place and the politeness; `None` if nothing is left."""
    if quoted := quotations(text):
        return quoted[0]
    if not CHINESE.search(text):
        found = _SEARCHED.search(text)
        return found[1].strip() or None if found else _landmark(text)
    left = _CHINESE_NOISE.sub("", without_places(text)).strip()
    return left or _landmark(text)


def message(text: str) -> str | None:
    """What is to be said: quoted, after "saying" or 说, or after a colon."""
    if quoted := quotations(text):
        return quoted[0]
    found = _SAID.search(text)
    return next((part for part in found.groups() if part), None) if found else None


def address(text: str) -> str | None:
    """The address or landmark that is asked about."""
    if quoted := quotations(text):
        return quoted[0]
    known = known_places(text)
    if known:
        first, last = known[0].start, known[-1].end
        between = text[first:last]
        return (
            between
            if len(between) < 40 and not re.search(r"[?？。;；]|\band\b|和", between)
            else known[0].name
        )
    if found := _ADDRESS.search(text):
        return next((part for part in found.groups() if part), None)
    if found := _CHINESE_ADDRESS.search(text):
        return _CHINESE_NOISE.sub("", found[1]) or None
    return None


def name(text: str) -> str | None:
    """A quotation, or a name in capital letters that is not at the start of a sentence."""
    if quoted := quotations(text):
        return quoted[0]
    names = [found for found in _NAME.findall(without_places(text)) if found not in _NO_NAME]
    return names[0] if names else None


def _landmark(text: str) -> str | None:
    return next((mention.name for mention in known_places(text) if mention.landmark), None)
