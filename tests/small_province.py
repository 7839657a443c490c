"""Four cities, small enough to know by heart: Yangzhou in need, Xuzhou and Suzhou that may help, Huaian without a trunk."""

from types import MappingProxyType

from callctl.core.model import City, Lending, LendRules, PbxAddress, PbxKind, Province, QueueRules, Seat, Trunk

NAMES = {"huaian": ("淮安", "0517"), "suzhou": ("苏州", "0512"), "xuzhou": ("徐州", "0516"), "yangzhou": ("扬州", "0514")}
TRUNKS = {
    "yangzhou": ("suzhou", "xuzhou"),
    "suzhou": ("yangzhou", "xuzhou"),
    "xuzhou": ("yangzhou", "suzhou"),
    "huaian": (),
}
HELPS = {"yangzhou": ("suzhou",), "suzhou": ("*",), "xuzhou": ("yangzhou",), "huaian": ("*",)}


def small_province(seats: int = 4) -> Province:
    """Every city has `seats` seats, all but its first may be lent, and a quota of 2."""
    return Province(MappingProxyType({code: _city(code, index, seats) for index, code in enumerate(NAMES)}))


def _city(code: str, index: int, seats: int) -> City:
    name, area = NAMES[code]
    return City(
        code=code,
        name_zh=name,
        area_code=area,
        pbx=PbxAddress(PbxKind.ASTERISK, f"127.0.{50 + index}.1"),
        queue=QueueRules(),
        lend=LendRules(reserve=1, quota=2, helps=HELPS[code]),
        trunks=tuple(Trunk(other, f"127.0.{50 + list(NAMES).index(other)}.1", 10) for other in TRUNKS[code]),
        seats=tuple(
            Seat(f"{index + 1}{number:03d}", f"A{number}", f"话务员{number}", Lending.SHARED if number else Lending.NO)
            for number in range(seats)
        ),
    )
