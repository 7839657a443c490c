"""A few cities cut out of the province: still a province without a mistake."""

from pathlib import Path

import pytest

from callctl.core.model import Lending
from callctl.lab.subset import SubsetError, write_subset
from callctl.province import read_province

PROJECT = Path(__file__).resolve().parent.parent.parent
THREE = ("nanjing", "yangzhou", "xuzhou")


def test_trunks_and_help_for_absent_cities_are_left_out(tmp_path: Path) -> None:
    write_subset(PROJECT, tmp_path, THREE, seats=4, version=22)
    province = read_province(tmp_path)
    assert set(province.cities) == set(THREE)
    for city in province.cities.values():
        assert {trunk.to for trunk in city.trunks} == set(THREE) - {city.code}


def test_a_labs_few_seats_are_shared_but_for_one_in_four(tmp_path: Path) -> None:
    write_subset(PROJECT, tmp_path, THREE, seats=4, version=22)
    seats = read_province(tmp_path).cities["nanjing"].seats
    assert len(seats) == 4
    assert sum(seat.lend is Lending.DEDICATED for seat in seats) == 1


def test_the_quota_never_exceeds_the_seats_that_are_left(tmp_path: Path) -> None:
    write_subset(PROJECT, tmp_path, THREE, seats=2, version=22)
    assert all(city.lend.quota <= len(city.seats) for city in read_province(tmp_path).cities.values())


def test_chinese_names_survive(tmp_path: Path) -> None:
    write_subset(PROJECT, tmp_path, THREE, seats=4, version=22)
    assert read_province(tmp_path).cities["yangzhou"].name_zh == "扬州"


def test_labs_side_by_side_have_addresses_of_their_own(tmp_path: Path) -> None:
    write_subset(PROJECT, tmp_path, THREE, seats=4, version=20, network=3, queue={"wait_threshold_s": 2})
    city = read_province(tmp_path).cities["yangzhou"]
    assert city.pbx.host == "127.3.19.1"
    assert city.pbx.phones == "127.3.119.0/24"
    assert {trunk.host for trunk in city.trunks} == {"127.3.10.1", "127.3.12.1"}
    assert city.pbx.version == 20
    assert city.queue.wait_threshold_s == 2


def test_all_cities_of_the_province_make_a_lab(tmp_path: Path) -> None:
    every = [path.stem for path in (PROJECT / "queues").glob("*.toml")]
    write_subset(PROJECT, tmp_path, every, seats=900, version=22)
    assert set(read_province(tmp_path).cities) == set(every)


def test_an_unknown_city_is_named_with_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(SubsetError, match=r"there is no city paris .*yangzhou"):
        write_subset(PROJECT, tmp_path, ("nanjing", "paris"), seats=4, version=22)


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "queues").mkdir()
    (tmp_path / "queues" / "nanjing.toml").write_text("name_zh = ")
    with pytest.raises(SubsetError, match=r"nanjing\.toml cannot be read"):
        write_subset(tmp_path, tmp_path / "out", ("nanjing",), seats=4, version=22)
