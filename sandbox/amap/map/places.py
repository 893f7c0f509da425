"""The landmarks that the map knows by name, and the everyday places (cafés, hotels, …) of every city."""

import hashlib
from dataclasses import dataclass
from typing import TypeAlias

from sandbox.amap.map.cities import CITY_INDEX
from sandbox.amap.map.city import City, District
from sandbox.amap.map.coordinates import Coordinates


@dataclass(frozen=True, slots=True)
class Place:
    """A point of interest, as the search answers it."""

    id: str
    name: str
    english: str
    city: City
    district: District
    location: Coordinates
    address: str
    typecode: str
    type: str


_SIGHT, _STATION, _AIRPORT = ("110200", "风景名胜"), ("150200", "火车站"), ("150104", "飞机场")
_OFFICE = ("120200", "产业园区")
_KINDS = {"sight": _SIGHT, "station": _STATION, "airport": _AIRPORT, "office": _OFFICE}

_TABLE = """
天安门|Tiananmen|北京|东城区|sight|116.397455,39.909187|东长安街
故宫博物院|Forbidden City|北京|东城区|sight|116.397029,39.917839|景山前街4号
颐和园|Summer Palace|北京|海淀区|sight|116.272876,39.992051|新建宫门路19号
国家体育场|Bird's Nest|北京|朝阳区|sight|116.396455,39.992896|国家体育场南路1号
北京南站|Beijing South Railway Station|北京|丰台区|station|116.378517,39.865246|永外大街12号
北京首都国际机场|Beijing Capital International Airport|北京|顺义区|airport|116.603039,40.080525|首都机场路
天津站|Tianjin Railway Station|天津|河北区|station|117.209523,39.135709|新纬路1号
天津之眼|Tianjin Eye|天津|红桥区|sight|117.185690,39.153486|三岔河口永乐桥
石家庄站|Shijiazhuang Railway Station|石家庄|桥西区|station|114.485700,38.010300|中华南大街
晋祠|Jinci Temple|太原|晋源区|sight|112.434700,37.708300|晋祠镇
大召|Dazhao Temple|呼和浩特|玉泉区|sight|111.652600,40.797000|大召前街
沈阳故宫|Mukden Palace|沈阳|沈河区|sight|123.456000,41.796400|沈阳路171号
星海广场|Xinghai Square|大连|沙河口区|sight|121.585300,38.879300|中山路
伪满皇宫博物院|Puppet Emperor's Palace|长春|宽城区|sight|125.344400,43.903600|光复北路5号
圣索菲亚教堂|Saint Sophia Cathedral|哈尔滨|道里区|sight|126.627100,45.770000|透笼街88号
外滩|The Bund|上海|黄浦区|sight|121.490317,31.236355|中山东一路
东方明珠|Oriental Pearl Tower|上海|浦东新区|sight|121.499740,31.239853|世纪大道1号
上海虹桥站|Shanghai Hongqiao Railway Station|上海|闵行区|station|121.320670,31.194188|申贵路1500号
上海浦东国际机场|Shanghai Pudong International Airport|上海|浦东新区|airport|121.805214,31.149498|迎宾大道
中山陵|Sun Yat-sen Mausoleum|南京|玄武区|sight|118.848166,32.058665|石象路7号
夫子庙|Confucius Temple|南京|秦淮区|sight|118.788890,32.020850|贡院街
南京南站|Nanjing South Railway Station|南京|雨花台区|station|118.798060,31.968789|玉兰路98号
鼋头渚|Yuantouzhu|无锡|滨湖区|sight|120.225300,31.527200|鼋渚路1号
拙政园|Humble Administrator's Garden|苏州|姑苏区|sight|120.629211,31.324194|东北街178号
苏州站|Suzhou Railway Station|苏州|姑苏区|station|120.610898,31.329892|苏站路27号
西湖|West Lake|杭州|西湖区|sight|120.130396,30.259242|龙井路1号
灵隐寺|Lingyin Temple|杭州|西湖区|sight|120.101406,30.240826|法云弄1号
杭州东站|Hangzhou East Railway Station|杭州|上城区|station|120.212600,30.290851|全福桥路2号
杭州萧山国际机场|Hangzhou Xiaoshan International Airport|杭州|萧山区|airport|120.432414,30.234708|机场路
阿里巴巴西溪园区|Alibaba Xixi Campus|杭州|余杭区|office|120.026208,30.279212|文一西路969号
天一阁|Tianyi Pavilion|宁波|海曙区|sight|121.539400,29.870600|天一街10号
江心屿|Jiangxin Island|温州|鹿城区|sight|120.645200,28.031000|望江东路
包公园|Lord Bao Park|合肥|包河区|sight|117.303100,31.858200|芜湖路72号
三坊七巷|Three Lanes and Seven Alleys|福州|鼓楼区|sight|119.296800,26.086500|南后街
鼓浪屿|Gulangyu|厦门|思明区|sight|118.067200,24.447100|鼓浪屿街道
厦门北站|Xiamen North Railway Station|厦门|集美区|station|118.073400,24.637300|珩田路2号
滕王阁|Pavilion of Prince Teng|南昌|东湖区|sight|115.881100,28.681600|仿古街58号
趵突泉|Baotu Spring|济南|历下区|sight|117.016000,36.661300|趵突泉南路1号
栈桥|Zhanqiao Pier|青岛|市南区|sight|120.319700,36.060600|太平路12号
二七纪念塔|Erqi Memorial Tower|郑州|二七区|sight|113.667200,34.752600|二七广场
黄鹤楼|Yellow Crane Tower|武汉|武昌区|sight|114.302400,30.544800|蛇山西山坡特1号
武汉站|Wuhan Railway Station|武汉|洪山区|station|114.424300,30.607100|白云路
橘子洲|Orange Isle|长沙|岳麓区|sight|112.962400,28.187000|橘洲路
广州塔|Canton Tower|广州|海珠区|sight|113.324520,23.106414|阅江西路222号
广州南站|Guangzhou South Railway Station|广州|番禺区|station|113.269100,22.988600|南站北路
世界之窗|Window of the World|深圳|南山区|sight|113.973100,22.535400|深南大道9037号
深圳北站|Shenzhen North Railway Station|深圳|龙华区|station|114.029300,22.609700|致远中路28号
珠海渔女|Zhuhai Fisher Girl|珠海|香洲区|sight|113.590400,22.262300|情侣中路
佛山祖庙|Foshan Ancestral Temple|佛山|禅城区|sight|113.112300,23.030100|祖庙路21号
青秀山|Qingxiu Mountain|南宁|青秀区|sight|108.386200,22.790500|凤岭南路6号
象鼻山|Elephant Trunk Hill|桂林|象山区|sight|110.296100,25.267000|民主路1号
骑楼老街|Qilou Old Street|海口|龙华区|sight|110.349600,20.047100|中山路
亚龙湾|Yalong Bay|三亚|吉阳区|sight|109.634800,18.231200|亚龙湾路
解放碑|Jiefangbei|重庆|渝中区|sight|106.577054,29.557129|民权路177号
洪崖洞|Hongya Cave|重庆|渝中区|sight|106.579136,29.562276|嘉陵江滨江路88号
重庆北站|Chongqing North Railway Station|重庆|渝北区|station|106.551787,29.606926|昆仑大道
宽窄巷子|Kuanzhai Alley|成都|青羊区|sight|104.054200,30.669300|长顺上街127号
成都大熊猫繁育研究基地|Chengdu Panda Base|成都|成华区|sight|104.146200,30.739500|熊猫大道1375号
成都东站|Chengdu East Railway Station|成都|成华区|station|104.141300,30.629200|邛崃山路333号
甲秀楼|Jiaxiu Tower|贵阳|南明区|sight|106.720500,26.574300|翠微巷8号
翠湖公园|Green Lake Park|昆明|五华区|sight|102.704300,25.050400|翠湖南路67号
布达拉宫|Potala Palace|拉萨|城关区|sight|91.118300,29.658100|北京中路35号
大雁塔|Giant Wild Goose Pagoda|西安|雁塔区|sight|108.964200,34.219800|慈恩路1号
西安钟楼|Xi'an Bell Tower|西安|莲湖区|sight|108.947000,34.261000|北大街
秦始皇兵马俑博物馆|Terracotta Army|西安|临潼区|sight|109.273300,34.385000|秦陵北路
西安北站|Xi'an North Railway Station|西安|未央区|station|108.938500,34.376600|元朔路1号
中山桥|Zhongshan Bridge|兰州|城关区|sight|103.820400,36.067500|滨河路
东关清真大寺|Dongguan Mosque|西宁|城东区|sight|101.797600,36.617300|东关大街31号
鼓楼|Yinchuan Drum Tower|银川|兴庆区|sight|106.281800,38.466300|鼓楼北街
国际大巴扎|Grand Bazaar|乌鲁木齐|天山区|sight|87.622000,43.777200|解放南路8号
太平山顶|Victoria Peak|香港|中西区|sight|114.149900,22.270900|山顶道128号
大三巴牌坊|Ruins of Saint Paul's|澳门|花地玛堂区|sight|113.540800,22.197600|大三巴街
"""

# Kinds of everyday places: names in searches, typecode, type, and the names of two of them in every city.
_Kind: TypeAlias = tuple[tuple[str, ...], str, str, tuple[str, str]]
_EVERYDAY: tuple[_Kind, ...] = (
    (("咖啡", "coffee", "cafe", "café"), "050500", "咖啡厅", ("云栖咖啡", "小满咖啡馆")),
    (
        ("餐厅", "美食", "饭店", "餐馆", "吃饭", "restaurant", "food"),
        "050100",
        "中餐厅",
        ("知味小馆", "老街坊餐厅"),
    ),
    (("酒店", "宾馆", "住宿", "hotel"), "100100", "宾馆酒店", ("湖畔酒店", "站前商务酒店")),
    (("医院", "hospital", "clinic"), "090100", "综合医院", ("第一人民医院", "中心医院")),
    (("停车", "parking", "car park"), "150900", "停车场", ("广场停车场", "中心地下停车场")),
    (("银行", "bank", "atm"), "160100", "银行", ("中国银行", "招商银行")),
    (("超市", "supermarket", "grocery"), "060400", "超级市场", ("邻里超市", "万家超市")),
    (("地铁", "metro", "subway"), "150500", "地铁站", ("人民广场站", "体育中心站")),
    (("公园", "park"), "110101", "公园", ("人民公园", "滨江公园")),
    (("药店", "药房", "pharmacy"), "090601", "药房", ("百姓大药房", "康民药房")),
    (("加油站", "gas station", "petrol"), "010100", "加油站", ("中石化加油站", "中石油加油站")),
    (("充电", "charging"), "011100", "充电站", ("特来电充电站", "星星充电站")),
)


def _id(*parts: str) -> str:
    return "B0" + hashlib.sha256("/".join(parts).encode()).hexdigest()[:8].upper()


def _landmark(row: str) -> Place:
    name, english, city_name, district_name, kind, location, address = row.split("|")
    city = CITY_INDEX.find(city_name)
    if city is None:
        raise KeyError(city_name)
    district = next(district for district in city.districts if district.name == district_name)
    longitude, latitude = location.split(",")
    typecode, type_ = _KINDS[kind]
    return Place(
        _id(city.adcode, name),
        name,
        english,
        city,
        district,
        Coordinates(float(longitude), float(latitude)),
        address,
        typecode,
        type_,
    )


def everyday_places(city: City, keywords: str) -> list[Place]:
    """The places of a city for a keyword such as 咖啡 or "coffee": at its landmarks and around its centre."""
    lowered = keywords.lower()
    return [
        _everyday_place(city, kind, i, anchor)
        for kind in _EVERYDAY
        if any(word in lowered for word in kind[0])
        for i, anchor in enumerate(_anchors(city))
    ]


def _anchors(city: City) -> list[tuple[str, District, Coordinates, int]]:
    """What places are named after, where, and how far they may be from there in metres."""
    landmarks = [(p.name, p.district, p.location, 600) for p in LANDMARKS if p.city is city]
    return landmarks + [(d.name.removesuffix("区"), d, city.centre, 5000) for d in city.districts[:3]]


def _everyday_place(city: City, kind: _Kind, i: int, anchor: tuple[str, District, Coordinates, int]) -> Place:
    words, typecode, type_, names = kind
    near, district, centre, reach = anchor
    name = f"{names[i % len(names)]}({near}店)"
    chance = hashlib.sha256(f"{city.adcode}{name}".encode()).digest()
    location = centre.moved(north=(chance[0] / 128 - 1) * reach, east=(chance[1] / 128 - 1) * reach)
    address = f"{district.name}人民路{chance[2] + 1}号"
    english = f"{city.english} {words[-1]} {i + 1}"
    return Place(_id(city.adcode, name), name, english, city, district, location, address, typecode, type_)


LANDMARKS = tuple(_landmark(row) for row in _TABLE.strip().splitlines())
EVERYDAY_WORDS = tuple(words[0] for words, _, _, _ in _EVERYDAY)
