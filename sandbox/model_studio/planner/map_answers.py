"""The map's results as sentences and tables: recognized by their members, not by the tool's name."""

from collections.abc import Mapping
from datetime import date
from typing import Any

from sandbox.amap.cities import CITY_INDEX
from sandbox.model_studio.planner.listing import MAX_ROWS, rows
from sandbox.model_studio.planner.passages import dates

_SKY = {
    "晴": "sunny",
    "多云": "cloudy",
    "阴": "overcast",
    "小雨": "light rain",
    "中雨": "rain",
    "阵雨": "showers",
    "小雪": "light snow",
    "中雪": "snow",
    "雨夹雪": "sleet",
}
_WIND = {"北": "N", "东北": "NE", "东": "E", "东南": "SE", "南": "S", "西南": "SW", "西": "W", "西北": "NW"}


def described(content: Mapping[str, Any], question: str, chinese: bool) -> str | None:
    """The result in Markdown; `None` if it is none of the map's."""
    if rows(days := content.get("forecasts")):
        return _weather(str(content.get("city", "")), days, question, chinese)
    found = content.get("results", content.get("return"))
    if rows(found) and "location" in found[0]:
        return _geocoded(found[0], chinese)
    if rows(found) and "distance" in found[0]:
        return "\n".join(_distance(row, chinese) for row in found)
    route = content.get("route", content.get("data"))
    if isinstance(route, Mapping) and rows(paths := route.get("paths") or route.get("transits")):
        return _route(route, paths[0], chinese)
    if isinstance(places := content.get("pois"), list):
        return _places(places, chinese)
    if {"provice", "city", "district"} <= set(content):
        place = " ".join(str(content[key]) for key in ("provice", "city", "district"))
        return f"该位置在{place}。" if chinese else f"That is in {place}."
    return None


def _weather(city: str, days: list[Mapping[str, Any]], question: str, chinese: bool) -> str:
    asked = _asked_day(days, question)
    sky = _sky(asked.get("dayweather"), chinese)
    low, high = asked.get("nighttemp", "?"), asked.get("daytemp", "?")
    if chinese:
        lead = f"{city}，{asked.get('date')}：{sky}，{low}～{high}℃。天气预报："
        head = "| 日期 | 白天 | 夜间 | 气温 | 风 |"
    else:
        known = CITY_INDEX.find(city)
        name = known.english if known else city
        lead = f"{name}, {asked.get('date')}: {sky}, {low} to {high} °C. The forecast:"
        head = "| Date | Day | Night | °C | Wind |"
    table = [_table_row(day, chinese) for day in days]
    return "\n".join([lead, "", head, "| --- | --- | --- | --- | --- |", *table])


def _table_row(day: Mapping[str, Any], chinese: bool) -> str:
    by_day, by_night = _sky(day.get("dayweather"), chinese), _sky(day.get("nightweather"), chinese)
    degrees = f"{day.get('nighttemp')}–{day.get('daytemp')}"
    return f"| {day.get('date')} | {by_day} | {by_night} | {degrees} | {_wind(day, chinese)} |"


def _asked_day(days: list[Mapping[str, Any]], question: str) -> Mapping[str, Any]:
    """The day that the question names, counted from the first day; else the first."""
    try:
        wanted = dates(question, date.fromisoformat(str(days[0].get("date"))))
    except ValueError:
        return days[0]
    return next((day for day in days if day.get("date") in wanted), days[0])


def _sky(word: object, chinese: bool) -> str:
    return str(word) if chinese else _SKY.get(str(word), str(word))


def _wind(day: Mapping[str, Any], chinese: bool) -> str:
    wind, power = str(day.get("daywind", "")), day.get("daypower", "")
    return f"{wind}风 {power}级" if chinese else f"{_WIND.get(wind, wind)} {power}"


def _geocoded(first: Mapping[str, Any], chinese: bool) -> str:
    parts = (first.get(key) for key in ("province", "city", "district"))
    area = "".join(dict.fromkeys(part for part in parts if isinstance(part, str)))
    if chinese:
        return f"经纬度：{first['location']}（{area}）。"
    return f"Coordinates (longitude, latitude): {first['location']} ({area})."


def _distance(row: Mapping[str, Any], chinese: bool) -> str:
    length, time = _length(row["distance"]), _duration(row.get("duration"), chinese)
    if chinese:
        return f"距离约 {length}{f'，约{time}' if time else ''}。"
    return f"The distance is about {length}{f', about {time}' if time else ''}."


def _route(route: Mapping[str, Any], path: Mapping[str, Any], chinese: bool) -> str:
    length = _length(path.get("distance", route.get("distance")))
    time = _duration(path.get("duration"), chinese)
    lead = f"全程约 {length}，约{time}。" if chinese else f"The way is about {length} and takes about {time}."
    steps = [str(step.get("instruction")) for step in path.get("steps", [])]
    for segment in path.get("segments", []):
        steps += [str(line.get("name")) for line in segment.get("bus", {}).get("buslines", [])]
        railway = segment.get("railway", {})
        if trip := railway.get("trip"):
            steps.append(f"{railway.get('name', '')} {trip}".strip())
    return "\n".join([lead, "", *(f"{i}. {step}" for i, step in enumerate(steps[:MAX_ROWS], start=1))])


def _places(places: list[Mapping[str, Any]], chinese: bool) -> str:
    if not places:
        return "没有找到符合的地点。" if chinese else "Nothing was found."
    lead = f"找到 {len(places)} 个地点：" if chinese else f"{len(places)} places were found:"
    return "\n".join([lead, "", *(f"- **{p.get('name')}** – {p.get('address')}" for p in places[:MAX_ROWS])])


def _length(metres: object) -> str:
    try:
        length = float(str(metres))
    except ValueError:
        return str(metres)
    return f"{length / 1000:.1f} km" if length >= 1000 else f"{length:.0f} m"


def _duration(seconds: object, chinese: bool) -> str:
    try:
        minutes = round(float(str(seconds)) / 60)
    except ValueError:
        return ""
    if minutes <= 0:
        return ""
    hours, minutes = divmod(minutes, 60)
    if chinese:
        return (f"{hours}小时" if hours else "") + (f"{minutes}分钟" if minutes else "")
    return (f"{hours} h " if hours else "") + f"{minutes} min"
