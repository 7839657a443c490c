"""The shipped province: 13 cities of Jiangsu and the provincial platform, as in the event of 2021."""

from callctl.core.model import Lending
from callctl.folders.oddities import odd_things
from callctl.province import read_province
from callctl.settings import shipped

JIANGSU = shipped("queues").parent
WAVES = {  # Seats lent to Yangzhou in 2021.
    "xuzhou": 8, "suzhou": 9, "lianyungang": 4,
    "wuxi": 10, "changzhou": 10, "nantong": 10, "yancheng": 8, "suqian": 6,
    "huaian": 8, "zhenjiang": 7, "taizhou": 9,
}  # fmt: skip


def test_shipped_jiangsu_has_no_mistake_and_nothing_odd() -> None:
    province = read_province(JIANGSU)
    assert len(province.cities) == 14
    assert list(province.cities) == sorted(province.cities)
    assert odd_things(province) == ()


def test_shipped_quotas_are_the_89_seats_of_2021() -> None:
    cities = read_province(JIANGSU).cities
    assert {code: cities[code].lend.quota for code in WAVES} == WAVES
    assert sum(WAVES.values()) == 89


def test_shipped_trunks_are_a_full_mesh_on_the_lab_addresses() -> None:
    cities = read_province(JIANGSU).cities
    for city in cities.values():
        assert {trunk.to for trunk in city.trunks} == set(cities) - {city.code}
        assert all(trunk.host == cities[trunk.to].pbx.host for trunk in city.trunks)
        assert city.pbx.host.startswith("127.0.")
    yangzhou = cities["yangzhou"]
    assert (yangzhou.pbx.host, yangzhou.pbx.carrier, yangzhou.pbx.phones) == ("127.0.19.1", "127.0.1.19", "127.0.119.0/24")
    assert {city.seats[0].id for city in cities.values()} == {f"{number}01" for number in range(11, 25)}


def test_every_kind_of_lending_and_a_dialect_is_in_every_shipped_city() -> None:
    for city in read_province(JIANGSU).cities.values():
        assert {seat.lend for seat in city.seats} >= {Lending.DEDICATED, Lending.SHARED}
        assert all(seat.skills[0] == "mandarin" for seat in city.seats)
        assert any(len(seat.skills) > 1 for seat in city.seats)
        assert len({seat.name for seat in city.seats}) == len(city.seats)


def test_the_shipped_sizes_follow_the_agents_written_beside_them() -> None:
    """Two shifts: as many seats as half the agents that the file's own header names."""
    for code, city in read_province(JIANGSU).cities.items():
        header = (JIANGSU / "agents" / f"{code}.toml").read_text(encoding="utf-8").split("\n")[1]
        agents = int(header.split()[1])
        assert len(city.seats) == -(-agents // 2), code
        assert "ESTIMATE" in header or "public" in header
