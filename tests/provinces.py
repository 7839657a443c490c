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
        lend=LendRules(reserve, quota, helps),
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
