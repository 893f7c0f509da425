"""Titles of the tools that this project declares itself, and of their arguments, for people.

SERVICES_FILE has those of the operator's services. What it says of `amap` replaces what is here.
"""

from collections.abc import Mapping
from typing import Any, Final

from pydantic import TypeAdapter

from tools.titles import ToolTitles


def _titles(tools: dict[str, Any]) -> Mapping[str, ToolTitles]:
    return TypeAdapter(dict[str, ToolTitles]).validate_python(tools)


_FIRST_DAY: Final = {"en": "First day", "zh": "开始日期"}
_DESTINATION: Final = {"en": "Destination", "zh": "终点"}
_ORIGIN: Final = {"en": "Start", "zh": "起点"}
_PLACE: Final = {"en": "Address", "zh": "地址"}
_CITY: Final = {"en": "City", "zh": "城市"}
_WAY: Final = {"origin": _ORIGIN, "destination": _DESTINATION}
_POINT: Final = {"en": "Point (longitude, latitude)", "zh": "坐标（经度，纬度）"}
_KEYWORDS: Final = {"en": "What to search for", "zh": "搜索内容"}
_LONGITUDE: Final = {"en": "Longitude of the destination", "zh": "终点经度"}
_LATITUDE: Final = {"en": "Latitude of the destination", "zh": "终点纬度"}

LEAVE: Final = _titles(
    {
        "leave_balance": {"title": {"en": "See the leave that is left", "zh": "查询剩余年假"}},
        "leave_applications": {"title": {"en": "List applications for leave", "zh": "查询休假申请"}},
        "leave_apply": {
            "title": {"en": "Apply for leave", "zh": "申请休假"},
            "arguments": {
                "days": {"en": "Days", "zh": "天数"},
                "first_day": _FIRST_DAY,
                "reason": {"en": "Reason", "zh": "事由"},
            },
        },
        "leave_cancel": {
            "title": {"en": "Cancel leave", "zh": "取消休假"},
            "arguments": {"first_day": _FIRST_DAY},
        },
    }
)

ENTERPRISE: Final = _titles(
    {
        "call_enterprise_service": {
            "title": {"en": "Ask the enterprise service", "zh": "查询企业服务"},
            "arguments": {"message": {"en": "Message", "zh": "消息"}},
        }
    }
)

AMAP: Final = _titles(
    {
        "maps_around_search": {
            "title": {"en": "Search nearby", "zh": "周边搜索"},
            "arguments": {
                "keywords": _KEYWORDS,
                "location": _POINT,
                "radius": {"en": "Radius in metres", "zh": "半径（米）"},
            },
        },
        "maps_bicycling": {
            "title": {"en": "Find a way by bicycle, older form", "zh": "骑行路线（旧版）"},
            "arguments": _WAY,
        },
        "maps_direction_bicycling": {
            "title": {"en": "Find a way by bicycle", "zh": "骑行路线"},
            "arguments": _WAY,
        },
        "maps_direction_driving": {"title": {"en": "Find a way by car", "zh": "驾车路线"}, "arguments": _WAY},
        "maps_direction_transit_integrated": {
            "title": {"en": "Find a way by public transport", "zh": "公交路线"},
            "arguments": {
                **_WAY,
                "city": {"en": "City of the start", "zh": "起点城市"},
                "cityd": {"en": "City of the destination", "zh": "终点城市"},
            },
        },
        "maps_direction_walking": {
            "title": {"en": "Find a way on foot", "zh": "步行路线"},
            "arguments": _WAY,
        },
        "maps_distance": {
            "title": {"en": "Measure a distance", "zh": "测量距离"},
            "arguments": {
                "origins": {"en": "Starts", "zh": "起点"},
                "destination": _DESTINATION,
                "type": {"en": "Kind of distance", "zh": "距离类型"},
            },
        },
        "maps_geo": {
            "title": {"en": "Find an address on the map", "zh": "查询地址坐标"},
            "arguments": {"address": _PLACE, "city": _CITY},
        },
        "maps_ip_location": {
            "title": {"en": "Locate an IP address", "zh": "IP 定位"},
            "arguments": {"ip": {"en": "IP address", "zh": "IP 地址"}},
        },
        "maps_regeocode": {
            "title": {"en": "Find the address of a point", "zh": "查询坐标地址"},
            "arguments": {"location": _POINT},
        },
        "maps_schema_navi": {
            "title": {"en": "Open navigation", "zh": "打开导航"},
            "arguments": {"lon": _LONGITUDE, "lat": _LATITUDE},
        },
        "maps_schema_personal_map": {
            "title": {"en": "Make a map of a trip", "zh": "生成行程地图"},
            "arguments": {
                "orgName": {"en": "Name of the map", "zh": "地图名称"},
                "lineList": {"en": "Days of the trip", "zh": "行程"},
            },
        },
        "maps_schema_take_taxi": {
            "title": {"en": "Open a taxi app", "zh": "打开打车"},
            "arguments": {
                "dlon": _LONGITUDE,
                "dlat": _LATITUDE,
                "dname": _DESTINATION,
                "slon": {"en": "Longitude of the start", "zh": "起点经度"},
                "slat": {"en": "Latitude of the start", "zh": "起点纬度"},
                "sname": _ORIGIN,
            },
        },
        "maps_search_detail": {
            "title": {"en": "See a place", "zh": "查询地点详情"},
            "arguments": {"id": {"en": "Id of the place", "zh": "地点 ID"}},
        },
        "maps_text_search": {
            "title": {"en": "Search places", "zh": "搜索地点"},
            "arguments": {
                "keywords": _KEYWORDS,
                "city": _CITY,
                "types": {"en": "Kinds of places", "zh": "地点类型"},
                "citylimit": {"en": "Only in this city", "zh": "仅限该城市"},
            },
        },
        "maps_weather": {"title": {"en": "Weather", "zh": "查询天气"}, "arguments": {"city": _CITY}},
    }
)
