"""`callctl render`: writes the PBX files of a city, or of every city, from agents/, queues/ and the templates."""

from pathlib import Path
from typing import Annotated

import typer

from callctl.atlas import find_city
from callctl.cli.words import told
from callctl.core.acts import ActRefused
from callctl.core.model import Province
from callctl.province import ProvinceError, read_province
from callctl.render.city import render_city
from callctl.render.folder import write_city
from callctl.render.values import RenderError
from callctl.settings import Settings, SettingsError, read_settings

CityOption = Annotated[str | None, typer.Option("--city", metavar="CITY", help="Code, Chinese name or area code.")]
AllOption = Annotated[bool, typer.Option("--all", help="Every city, one sub-folder each.")]
OutOption = Annotated[Path, typer.Option("--out", metavar="DIR", help="Absent, empty, or written by callctl before.")]
ProvinceOption = Annotated[
    Path | None, typer.Option("--province", metavar="DIR", help="Folder that holds agents/ and queues/.")
]


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command("render")(render)


def render(out: OutOption, city: CityOption = None, every: AllOption = False, province: ProvinceOption = None) -> None:
    """Write a city's complete, commented PBX configuration. Exit code 0 where all is written, else 1 and nothing is."""
    try:
        settings = read_settings(province=province)
        found = read_province(settings.province_dir)
        folders = _render_all(found, settings, out) if every else _render_one(found, settings, out, city)
    except ActRefused as error:
        typer.echo(told(error.sentence), err=True)
        raise typer.Exit(1) from None
    except (ProvinceError, RenderError, SettingsError) as error:
        for line in str(error).splitlines():
            typer.echo(line, err=True)
        raise typer.Exit(1) from None
    for folder, number in folders.items():
        typer.echo(f"{folder}: {number} files")


def _render_one(province: Province, settings: Settings, out: Path, city: str | None) -> dict[Path, int]:
    if city is None:
        raise RenderError("which city? use --city CITY or --all")
    files = render_city(province, find_city(province, city).code, settings)
    write_city(files, out)
    return {out: len(files)}


def _render_all(province: Province, settings: Settings, out: Path) -> dict[Path, int]:
    """Render everything before the first file is written: a mistake in one city leaves nothing half-made."""
    rendered = {out / code: render_city(province, code, settings) for code in sorted(province.cities)}
    for folder, files in rendered.items():
        write_city(files, folder)
    return {folder: len(files) for folder, files in rendered.items()}
