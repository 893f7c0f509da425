"""Words and concepts: how a Chinese question finds a tool that is described in English."""

import re
from collections.abc import Iterable
from functools import lru_cache

CHINESE = re.compile(r"[\u3400-\u9fff]")
_WORD = re.compile(r"[A-Za-z]+")

# A concept: the stems and phrases, in both languages, that stand for it. A Latin entry matches whole words.
_CONCEPTS = {
    "weather": "weather|forecast|temperature|rain|raining|snow|sunny|umbrella|"
    "天气|气温|温度|下雨|下雪|预报|带伞|冷不冷",
    "distance": "distance|how far|km away|距离|多远|公里数",
    "route": "route|directions|get from|get to|go from|travel|路线|怎么走|怎么去|如何去|怎么到",
    "driving": "drive|driving|by car|开车|驾车|自驾",
    "walking": "walk|walking|on foot|步行|走路|走过去",
    "cycling": "bike|bicycle|cycle|cycling|bicycling|ride|骑行|骑车|自行车",
    "transit": "transit|bus|metro|subway|train|public transport|公交|地铁|火车|高铁|公共交通",
    "geocode": "coordinate|geocode|geocoding|longitude|latitude|经纬度|坐标|地理编码",
    "regeocode": "reverse geocoding|regeocode|which district|what district|逆地理|行政区|哪个区",
    "ip": "ip|ip address",
    "around": "nearby|near|around|close to|surrounding|附近|周边|周围",
    "search": "search|find|look for|looking for|recommend|搜索|搜一下|查找|寻找|推荐|有哪些|哪里有",
    "place": "place|poi|restaurant|hotel|coffee|cafe|shop|hospital|parking|supermarket|bank|pharmacy|museum|"
    "地点|餐厅|饭店|酒店|咖啡|医院|停车场|超市|银行|药店|美食|好吃",
    "detail": "detail|opening hours|详情|详细",
    "taxi": "taxi|cab|打车|出租车|叫车",
    "navigation": "navigate|navigation|turn by turn|导航",
    "itinerary": "itinerary|personal map|行程|旅行计划",
    "enterprise": "enterprise|company|corporate|internal service|intranet|企业|公司|内部服务",
    "identity": "identity|who am i|whoami|who called|is calling|caller|who i am|身份|我是谁|谁在调用",
    "leave": "leave|vacation|holiday|time off|days off|pto|年假|休假|假期|请假|假",
    "employee": "employee|colleague|staff|员工|同事|职员",
    "order": "order|订单",
    "delivery": "delivery|shipment|shipping|parcel|package|快递|物流|包裹|发货",
    "ticket": "ticket|issue|工单|问题单",
    "meeting": "meeting|appointment|会议|预约",
    "calendar": "calendar|schedule|agenda|日历|日程|安排",
    "mail": "email|mail|inbox|邮件|邮箱",
    "salary": "salary|payroll|payslip|wage|工资|薪水|薪资",
    "expense": "expense|reimbursement|报销|费用",
    "invoice": "invoice|bill|发票|账单",
    "customer": "customer|client|客户|顾客",
    "stock": "inventory|stock|库存",
    "price": "price|cost|quote|价格|报价|多少钱",
    "rate": "exchange rate|currency|汇率|货币",
    "document": "document|file|wiki|knowledge base|文档|文件|知识库",
    "translate": "translate|translation|翻译",
    "time": "current time|what time|clock|几点|当前时间|现在时间",
    "calculate": "calculate|calculator|arithmetic|sum|计算|算一下",
    "news": "news|headline|新闻|头条",
    "attendance": "attendance|clock in|考勤|打卡",
    "approval": "approval|approve|审批|批准",
    "server": "server|instance|deployment|host|服务器|实例|部署",
    "log": "log|logs|日志",
    "policy": "policy|rule|guideline|制度|规定|政策",
}

STOP_WORDS = frozenset(
    """a about again all also am an and any are as at be been by call can could do does did for from get give
    go had has have hello help hey hi how i if in info information into invoke is it its just kindly know let
    like look make me mine my need new now of ok on one or our out please put query request return run say
    service services she he show so some tell than thank thanks that the their them then there these they this
    those to today tomorrow too tool up us use user using very want was we what when where which who whom why
    will with would yes you your right""".split()  # noqa: SIM905  # a page of quoted words would be harder to read
)
_FILLERS = re.compile(
    "请问|请帮我|帮我|麻烦|请|现在|目前|今天|明天|后天|怎么样|怎样|如何|什么|多少|是不是|有没有|一下|我的|我们|你的|你们"
    "|我|你|他|她|它|的|了|吗|呢|吧|啊|呀|是|在|有|要|想|能|会|可以|告诉|查询|查看|查|看|给|调用|使用|用|服务|工具|和|与|并"
)


@lru_cache(maxsize=4096)
def stem(word: str) -> str:
    """A light stem, lower case: `orders` → `order`, `driving` → `driv`, `cities` → `city`."""
    word = word.lower()
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    for ending in ("ing", "ed", "es", "s", "e"):
        if len(word) - len(ending) >= 3 and word.endswith(ending) and not word.endswith("ss"):
            return word[: -len(ending)]
    return word


_STEMMED_STOP_WORDS = frozenset(stem(word) for word in STOP_WORDS)


@lru_cache(maxsize=1024)
def words(text: str) -> frozenset[str]:
    """Content words: stems of Latin words (camelCase and snake_case apart), pairs of Chinese characters."""
    apart = re.sub(r"([a-z])([A-Z])", r"\1 \2", text)
    latin = {stem(word) for word in _WORD.findall(apart) if word.lower() not in STOP_WORDS and len(word) > 1}
    chinese: set[str] = set()
    for run in re.findall(r"[\u3400-\u9fff]+", _FILLERS.sub(" ", text)):
        chinese |= {run[i : i + 2] for i in range(len(run) - 1)}
    return frozenset((latin - _STEMMED_STOP_WORDS) | chinese)


@lru_cache(maxsize=1024)
def concepts(text: str) -> frozenset[str]:
    """The concepts that `text` touches."""
    apart = re.sub(r"([a-z])([A-Z])", r"\1 \2", text)
    latin = " " + " ".join(stem(word) for word in _WORD.findall(apart)) + " "
    return frozenset(
        name
        for name, (phrases, chinese) in _COMPILED.items()
        if any(phrase in latin for phrase in phrases) or any(word in text for word in chinese)
    )


def chinese(text: str) -> bool:
    """Whether `text` is to be answered in Chinese: more Chinese characters than Latin words."""
    return len(CHINESE.findall(text)) > len(_WORD.findall(text))


def _compile(entries: Iterable[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    latin, other = [], []
    for entry in entries:
        if entry.isascii():
            latin.append(" " + " ".join(stem(word) for word in entry.split()) + " ")
        else:
            other.append(entry)
    return tuple(latin), tuple(other)


_COMPILED = {name: _compile(entries.split("|")) for name, entries in _CONCEPTS.items()}
