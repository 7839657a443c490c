"""Provinces built in Python for the tests, at the lab's addresses; no file is read."""

from types import MappingProxyType

from callctl.core.model import City, Lending, LendRules, PbxAddress, PbxKind, Province, QueueRules, Seat, Trunk

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
        seats=tuple(_seat(place, number) for number in range(1, seats + 1)),
    )


def _seat(place: int, number: int) -> Seat:
    lend = Lending.DEDICATED if number % 3 == 0 else Lending.SHARED
    return Seat(f"{place + 11:02d}{number:02d}", f"{number:04d}", f"话务员{number}", lend)
