"""The forecast of four days: the same for everybody, plausible for the place and the season."""

import hashlib
import math
from datetime import UTC, date, datetime, timedelta, timezone

from sandbox.amap.map.city import City

CHINA_TIME = timezone(timedelta(hours=8), "Asia/Shanghai")
_DAYS = 4
_WINDS = ("北", "东北", "东", "东南", "南", "西南", "西", "西北")
_PAIRS = """晴 sunny, 多云 cloudy, 阴 overcast, 小雨 light rain, 阵雨 showers, 中雨 rain, 小雪 light snow,
中雪 snow, 雨夹雪 sleet, 北 N, 东北 NE, 东 E, 东南 SE, 南 S, 西南 SW, 西 W, 西北 NW"""
ENGLISH = dict(pair.split(maxsplit=1) for pair in _PAIRS.split(","))
"""The forecast's words for sky and wind."""


def today(now: float) -> date:
    """The date in China at `now` (unix seconds)."""
    return datetime.fromtimestamp(now, UTC).astimezone(CHINA_TIME).date()


def forecast(city: City, start: date) -> list[dict[str, str]]:
    """Four days from `start`, in the members that the map's weather service uses (all strings)."""
    return [_day(city, start + timedelta(days=i)) for i in range(_DAYS)]


def _day(city: City, day: date) -> dict[str, str]:
    chance = hashlib.sha256(f"{city.adcode}/{day.isoformat()}".encode()).digest()
    season = (1 - math.cos(2 * math.pi * (day.timetuple().tm_yday - 16) / 365.25)) / 2
    mean = city.january + (city.july - city.january) * season
    wet = chance[0] % 100 < city.rain
    high = round(mean + 4 + chance[1] % 5 - (3 if wet else 0))
    low = high - 5 - chance[2] % 5 + (2 if wet else 0)
    wind = _WINDS[chance[3] % len(_WINDS)]
    power = ("1-3", "1-3", "1-3", "4-5")[chance[4] % 4]
    return {
        "date": day.isoformat(),
        "week": str(day.isoweekday()),
        "dayweather": _sky(wet, mean, chance[5]),
        "nightweather": _sky(wet and chance[6] % 2 == 0, mean - 4, chance[7]),
        "daytemp": str(high),
        "nighttemp": str(low),
        "daywind": wind,
        "nightwind": wind,
        "daypower": power,
        "nightpower": power,
        "daytemp_float": f"{high}.0",
        "nighttemp_float": f"{low}.0",
    }


def _sky(wet: bool, mean: float, chance: int) -> str:
    if not wet:
        return ("晴", "多云", "阴")[chance % 3]
    if mean < 1:
        return ("小雪", "中雪", "雨夹雪")[chance % 3]
    return ("小雨", "阵雨", "中雨")[chance % 3]
