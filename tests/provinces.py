"""Small provinces for tests: a few cities, full mesh of trunks, every rule adjustable."""

from collections.abc import Mapping
from types import MappingProxyType

from callctl.core.model import City, Lending, LendRules, PbxAddress, PbxKind, Province, QueueRules, Seat, Trunk
from callctl.core.wishes import AssistanceEvent, Wishes

NAMES = [
    "nanjing", "wuxi", "xuzhou", "changzhou", "suzhou", "nantong", "lianyungang", "huaian", "yancheng", "yangzhou",
    "zhenjiang", "taizhou", "suqian",
]  # fmt: skip


def a_city(
    code: str,
    number: int,
    others: tuple[str, ...],
    shared: int = 4,
    dedicated: int = 0,
    kept: int = 0,
    reserve: int = 1,
    quota: int = 8,
    channels: int = 30,
    queue: QueueRules | None = None,
    helps: tuple[str, ...] = ("*",),
    together: int = 3,
) -> City:
    """One city; its seats are numbered <number><001...>: dedicated first, then shared, then those never lent."""
    lend = [Lending.DEDICATED] * dedicated + [Lending.SHARED] * shared + [Lending.NO] * kept
    seats = tuple(
        Seat(f"{number}{index:03d}", f"{number}{index:03d}", f"话务员{index}", kind) for index, kind in enumerate(lend, 1)
    )
    return City(
        code=code,
        name_zh=code,
        area_code="0514",
        pbx=PbxAddress(PbxKind.ASTERISK, f"127.0.{number}.1"),
        queue=queue or QueueRules(),
        lend=LendRules(reserve, quota, helps, together),
        trunks=tuple(Trunk(other, "127.0.0.1", channels) for other in others if other != code),
        seats=seats,
    )


def a_province(cities: int = 3, rules: Mapping[str, Mapping[str, object]] | None = None, **common: object) -> Province:
    """The first `cities` of Jiangsu (then c13, c14, ...), with `common` rules, and `rules` for single cities."""
    codes = tuple(NAMES[i] if i < len(NAMES) else "c" + "".join(chr(97 + int(d)) for d in str(i)) for i in range(cities))
    made = {
        code: a_city(code, 11 + i, codes, **{**common, **(rules or {}).get(code, {})})  # type: ignore[arg-type]
        for i, code in enumerate(codes)
    }
    return Province(MappingProxyType(made))


def wish(
    *assisted: str, on: bool = True, stopped: bool = False, quotas: Mapping[str, int] | None = None, **event: object
) -> Wishes:
    """Events for these cities, switched on."""
    events = {
        city: AssistanceEvent(f"e-{city}", city, "支援", 0.0, switched_on=on, **event)  # type: ignore[arg-type]
        for city in assisted
    }
    return Wishes(1, MappingProxyType(events), MappingProxyType(dict(quotas or {})), stopped)


# City i of data/jiangsu_cities.csv lives at 127.0.(10+i).1 and its phones at 127.0.(110+i).0/24.
PLACES = {"nanjing": (0, "南京", "025"), "xuzhou": (2, "徐州", "0516"), "yangzhou": (9, "扬州", "0514")}


def three_cities(seats: int = 6, channels: int = 30, kind: PbxKind = PbxKind.ASTERISK, network: int = 0) -> Province:
    """南京, 徐州 and 扬州, everybody may help everybody; every third seat is dedicated, the others are shared.

    `network` is the second number of every address, so that two runs side by side do not meet. Seat ids are two
    digits for the city (place + 11) and a number from 01: 扬州 has 2001, 2002 …
    """
    return Province(MappingProxyType({code: lab_city(code, seats, channels, kind, network) for code in PLACES}))


def lab_city(code: str, seats: int, channels: int, kind: PbxKind, network: int) -> City:
    """One of the three."""
    place, name_zh, area_code = PLACES[code]
    others = [other for other in PLACES if other != code]
    return City(
        code=code,
        name_zh=name_zh,
        area_code=area_code,
        pbx=PbxAddress(
            kind=kind,
            host=f"127.{network}.{10 + place}.1",
            carrier=f"127.{network}.1.{10 + place}",
            phones=f"127.{network}.{110 + place}.0/24",
        ),
        queue=QueueRules(wrapup_s=1.0),
        lend=LendRules(reserve=1, quota=seats, helps=("*",)),
        trunks=tuple(Trunk(other, f"127.{network}.{10 + PLACES[other][0]}.1", channels) for other in others),
        seats=tuple(_lab_seat(place, number) for number in range(1, seats + 1)),
    )


def _lab_seat(place: int, number: int) -> Seat:
    lend = Lending.DEDICATED if number % 3 == 0 else Lending.SHARED
    return Seat(f"{place + 11:02d}{number:02d}", f"{number:04d}", f"话务员{number}", lend)
