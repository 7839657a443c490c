"""Small cities as the recordings know them: yangzhou is helped, xuzhou helps; alpha is helped, beta helps."""

from callctl.core.model import City, Lending, LendRules, PbxAddress, PbxKind, Province, QueueRules, Seat, Trunk


def city(code: str, name_zh: str, number: int, seats: dict[str, Lending], others: dict[str, int]) -> City:
    """A city: `number` and the others' places are the third numbers of the addresses, less 10."""
    return City(
        code=code,
        name_zh=name_zh,
        area_code="0",
        pbx=PbxAddress(PbxKind.ASTERISK, f"127.0.{10 + number}.1", carrier=f"127.0.1.{10 + number}"),
        queue=QueueRules(wrapup_s=1.0),
        lend=LendRules(quota=3, helps=("*",)),
        trunks=tuple(Trunk(other, f"127.0.{10 + place}.1", 5) for other, place in others.items()),
        seats=tuple(Seat(seat, f"a{seat}", f"话务员{seat}", lend) for seat, lend in seats.items()),
    )


YANGZHOU = city("yangzhou", "扬州", 9, {"2001": Lending.SHARED, "2002": Lending.SHARED}, {"xuzhou": 2})
XUZHOU = city("xuzhou", "徐州", 2, {"1301": Lending.SHARED, "1302": Lending.DEDICATED}, {"yangzhou": 9})
PROVINCE = Province({"yangzhou": YANGZHOU, "xuzhou": XUZHOU})

# The two cities of the contract suite (tests/real/two_cities.py), as its recordings know them.
ALPHA = city("alpha", "甲", 60, {"60001": Lending.SHARED}, {"beta": 61})
BETA = city("beta", "乙", 61, {"61001": Lending.SHARED, "61002": Lending.SHARED}, {"alpha": 60})
