"""`callctl check`: says everything that is wrong with agents/ and queues/ at once, and how to mend it."""

from pathlib import Path
from typing import Annotated

import typer

from callctl.core.model import Lending, Province
from callctl.folders.oddities import odd_things
from callctl.given_files import GivenRefused, own_or_given, read_calendar, read_categories
from callctl.province import ProvinceError, read_province
from callctl.rules import RulesError, read_rules
from callctl.settings import read_settings

ProvinceOption = Annotated[
    Path | None, typer.Option("--province", metavar="DIR", help="Folder that holds agents/ and queues/.")
]


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command("check")(check)


def check(province: ProvinceOption = None) -> None:
    """Check agents/, queues/ and the lists beside them: every mistake at once. Exit code 0 where all is well, else 1."""
    folder = read_settings(province=province).province_dir
    try:
        found = read_province(folder)
    except ProvinceError as error:
        for mistake in error.mistakes:
            typer.echo(str(mistake))
        typer.echo(f"{_count(len(error.mistakes), 'mistake')} in {folder}", err=True)
        raise typer.Exit(1) from None
    wrong = lists_wrong(folder)
    for line in wrong:
        typer.echo(line)
    if wrong:
        typer.echo(f"{_count(len(wrong), 'mistake')} in {folder}", err=True)
        raise typer.Exit(1)
    for odd in odd_things(found):
        typer.echo(f"warning: {odd}")
    typer.echo(summary(found))


def lists_wrong(folder: Path) -> list[str]:
    """What is wrong with records.toml, categories.csv and holidays.csv; the ones that are not there are not wrong."""
    wrong: list[str] = []
    for read in (
        lambda: read_rules(folder),
        lambda: read_categories(own_or_given(folder, "categories.csv")),
        lambda: read_calendar(own_or_given(folder, "holidays.csv")),
    ):
        try:
            read()
        except (RulesError, GivenRefused) as error:
            wrong += str(error).splitlines()
    return wrong


def summary(province: Province) -> str:
    """The province in one line."""
    cities = province.cities.values()
    seats = [seat for city in cities for seat in city.seats]
    lendable = sum(seat.lend is not Lending.NO for seat in seats)
    trunks = sum(len(city.trunks) for city in cities)
    numbers = (
        _count(len(cities), "city", "cities"),
        f"{_count(len(seats), 'seat')} ({lendable} may be lent)",
        _count(trunks, "trunk"),
    )
    return f"{', '.join(numbers)}: no mistakes"


def _count(number: int, one: str, many: str = "") -> str:
    return f"{number} {one if number == 1 else many or one + 's'}"
