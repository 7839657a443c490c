"""`callctl db`: bring the history database up to date, or look how it is."""

import asyncio
from collections.abc import Coroutine
from typing import Any, NoReturn

import typer
from sqlalchemy import func, make_url, select
from sqlalchemy.ext.asyncio import AsyncEngine

from callctl.settings import Settings, SettingsError, read_settings
from callctl.store.history import LOST, first_line
from callctl.store.schema import Fit, SchemaUnfit, Standing, open_engine, standing, upgrade
from callctl.store.spool import Spool
from callctl.store.tables import calls

_SAID = {
    Fit.EMPTY: "empty: run `callctl db upgrade`, or just start callctl",
    Fit.OLDER: "of an older callctl: run `callctl db upgrade`",
    Fit.CURRENT: "up to date",
    Fit.FOREIGN: "not of this callctl: name another database, or install the callctl it belongs to",
}


def register(app: typer.Typer) -> None:
    """Add the group `db` to the program."""
    group = typer.Typer(help="历史数据库 · The history database.", no_args_is_help=True)
    group.command("upgrade")(db_upgrade)
    group.command("status")(db_status)
    app.add_typer(group, name="db")


def db_upgrade() -> None:
    """升级历史数据库 · Create the tables, or bring them to this version. Safe to repeat."""
    settings = _settings()
    done = _ask(settings, upgrade)
    typer.echo(f"{_shown(settings)}: up to date (revision {done.revision})")


def db_status() -> None:
    """查看历史数据库 · Where it is, which version, how much is in it, what still waits in the spool."""
    settings = _settings()
    found, count = _ask(settings, _look)
    revision = f", revision {found.revision}" if found.revision else ""
    typer.echo(f"{_shown(settings)}: {_SAID[found.fit]}{revision}")
    if count is not None:
        typer.echo(f"calls: {count}")
    spooled = Spool(settings.state_dir / "spool").size_bytes()
    if spooled:
        typer.echo(f"spool: {spooled} bytes wait in {settings.state_dir / 'spool'} until a running callctl writes them")
    if found.fit is not Fit.CURRENT:
        raise typer.Exit(1)


async def _look(engine: AsyncEngine) -> tuple[Standing, int | None]:
    found = await standing(engine)
    if found.fit is not Fit.CURRENT:
        return found, None
    async with engine.connect() as connection:
        return found, (await connection.execute(select(func.count()).select_from(calls))).scalar_one()


def _ask(settings: Settings, question: Any) -> Any:
    async def asked() -> Any:
        engine = open_engine(settings.sql_url)
        try:
            return await question(engine)
        finally:
            await engine.dispose()

    return _run(asked(), settings)


def _run(question: Coroutine[Any, Any, Any], settings: Settings) -> Any:
    try:
        return asyncio.run(question)
    except SchemaUnfit as error:
        _fail(str(error))
    except LOST as error:
        _fail(f"{_shown(settings)} cannot be used: {first_line(error)}. Is it running, and CALLCTL_SQL_URL right?")


def _settings() -> Settings:
    try:
        return read_settings()
    except SettingsError as error:
        _fail(str(error))


def _shown(settings: Settings) -> str:
    """The address without its password."""
    return make_url(settings.sql_url).render_as_string(hide_password=True)


def _fail(why: str) -> NoReturn:
    typer.echo(f"callctl: {why}", err=True)
    raise typer.Exit(1)
