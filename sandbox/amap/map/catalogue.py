"""The 15 tools of the hosted server: name, purpose (our own words, in both languages), arguments."""

from typing import Any

from mcp.types import Tool

_POINT = "经纬度坐标 coordinates, longitude first: lng,lat"
_ORIGIN = {"origin": f"出发点 start of the way, {_POINT}"}
_DESTINATION = {"destination": f"目的地 end of the way, {_POINT}"}


def _schema(required: dict[str, str], optional: dict[str, str] | None = None) -> dict[str, Any]:
    described = required | (optional or {})
    return {
        "type": "object",
        "properties": {name: {"type": "string", "description": text} for name, text in described.items()},
        "required": list(required),
    }


_TEXT_SEARCH = _schema(
    {"keywords": "搜索关键词 what to search for"}, {"city": "城市 the city to search in", "types": "POI 类型"}
)
_TEXT_SEARCH["properties"]["citylimit"] = {
    "type": "boolean",
    "description": "只在该城市内搜索 only results inside of the city",
    "default": False,
}

_PERSONAL_MAP: dict[str, Any] = {
    "type": "object",
    "properties": {
        "orgName": {"type": "string", "description": "行程地图名称 name of the personal map"},
        "lineList": {
            "type": "array",
            "description": "行程列表 the lines of the map, one for each day",
            "items": {
                "type": "object",
                "properties": {
                    "title": {"type": "string", "description": "该行程的标题 title of the line"},
                    "pointInfoList": {
                        "type": "array",
                        "description": "地点列表 the points of the line, in order",
                        "items": {
                            "type": "object",
                            "properties": {
                                "name": {"type": "string", "description": "地点名称 name of the point"},
                                "lon": {"type": "number", "description": "经度 longitude"},
                                "lat": {"type": "number", "description": "纬度 latitude"},
                                "poiId": {"type": "string", "description": "POI id"},
                            },
                            "required": ["name", "lon", "lat", "poiId"],
                        },
                    },
                },
                "required": ["title", "pointInfoList"],
            },
        },
    },
    "required": ["orgName", "lineList"],
}

TOOLS = (
    Tool(
        name="maps_direction_bicycling",
        description="骑行路线规划 plans a cycling route (bicycle, 骑车) between two points, up to 500 km.",
        inputSchema=_schema(_ORIGIN | _DESTINATION),
    ),
    Tool(
        name="maps_direction_driving",
        description="驾车路线规划 plans a driving route (by car, 开车) between two points.",
        inputSchema=_schema(_ORIGIN | _DESTINATION),
    ),
    Tool(
        name="maps_direction_transit_integrated",
        description="公交路线规划 plans a public transit route (bus, metro, train; 地铁、火车).",
        inputSchema=_schema(
            _ORIGIN
            | _DESTINATION
            | {"city": "起点城市 city of the origin", "cityd": "终点城市 city of the destination"}
        ),
    ),
    Tool(
        name="maps_direction_walking",
        description="步行路线规划 plans a walking route (on foot, 走路) between two points, up to 100 km.",
        inputSchema=_schema(_ORIGIN | _DESTINATION),
    ),
    Tool(
        name="maps_distance",
        description="距离测量 measures the distance (多远) between points, by road or as the crow flies.",
        inputSchema=_schema(
            {"origins": f"起点 one or more starts joined by |, {_POINT}"} | _DESTINATION,
            {"type": "距离类型: 0 air line, 1 by car (default), 3 on foot"},
        ),
    ),
    Tool(
        name="maps_geo",
        description="地理编码 geocodes an address or a landmark: turns it into coordinates (经纬度).",
        inputSchema=_schema(
            {"address": "结构化地址或地名 the address or landmark"},
            {"city": "所在城市 the city that it is in"},
        ),
    ),
    Tool(
        name="maps_regeocode",
        description="逆地理编码 reverse geocoding: from coordinates to province, city and district (行政区).",
        inputSchema=_schema({"location": _POINT}),
    ),
    Tool(
        name="maps_ip_location",
        description="IP 定位 locates the city of an IP address.",
        inputSchema=_schema({"ip": "IP 地址 the IPv4 address"}),
    ),
    Tool(
        name="maps_schema_personal_map",
        description="行程地图 shows a planned itinerary as a personal map in the Amap app; answers a link.",
        inputSchema=_PERSONAL_MAP,
    ),
    Tool(
        name="maps_around_search",
        description="周边搜索 searches for places around a point (nearby, 附近), within a radius in metres.",
        inputSchema=_schema(
            {"keywords": "搜索关键词 what to search for", "location": f"中心点 centre, {_POINT}"},
            {"radius": "搜索半径 radius in metres, 1000 if absent"},
        ),
    ),
    Tool(
        name="maps_search_detail",
        description="详情查询 gives the details of a place (POI) that a search has found, by its id.",
        inputSchema=_schema({"id": "POI id from a search"}),
    ),
    Tool(
        name="maps_text_search",
        description="关键词搜索 searches for places (POI) by keywords, in one city or everywhere (查找地点).",
        inputSchema=_TEXT_SEARCH,
    ),
    Tool(
        name="maps_schema_navi",
        description="导航唤端 opens turn-by-turn navigation to a point in the Amap app; answers a link.",
        inputSchema=_schema({"lon": "终点经度 longitude", "lat": "终点纬度 latitude"}),
    ),
    Tool(
        name="maps_schema_take_taxi",
        description="打车唤端 calls a taxi (cab) in the Amap app; answers a link.",
        inputSchema=_schema(
            {"dlon": "终点经度 longitude", "dlat": "终点纬度 latitude", "dname": "终点名称 destination name"},
            {
                "slon": "起点经度 longitude",
                "slat": "起点纬度 latitude",
                "sname": "起点名称 name of the start",
            },
        ),
    ),
    Tool(
        name="maps_weather",
        description="天气查询 gives the weather forecast of a city for four days, by name or adcode.",
        inputSchema=_schema({"city": "城市名称或 adcode: name or adcode of the city"}),
    ),
)

TOOLS_BY_NAME = {tool.name: tool for tool in TOOLS}
