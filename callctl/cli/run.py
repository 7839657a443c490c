"""callctl run: the controller in the foreground, for systemd or a terminal."""

import asyncio
import sys
from pathlib import Path
from typing import Annotated

import typer

from callctl import clock, log
from callctl.app import narrowed, run_controller
from callctl.atlas import find_city
from callctl.cli.words import say
from callctl.province import read_province
from callctl.settings import read_settings


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command(help=say("运行控制器，直到 Ctrl-C 或 SIGTERM", "Run the controller until Ctrl-C or SIGTERM"))
    def run(
        province: Annotated[Path | None, typer.Option(help=say("省数据目录", "folder with agents/ and queues/"))] = None,
        cities: Annotated[str, typer.Option(help=say("只管这些市，逗号分隔", "only these cities, by comma"))] = "",
        keep_going: Annotated[
            bool,
            typer.Option(
                help=say("有市拒绝密码也照常启动(服务用)", "start though a PBX refuses the password (for services)")
            ),
        ] = False,
        log_style: Annotated[str, typer.Option("--log", help="console, json")] = "",
    ) -> None:
        if log_style not in ("", "console", "json"):
            raise typer.BadParameter("console, json", param_hint="--log")
        log.set_up(log_style or ("console" if sys.stderr.isatty() else "json"), clock.now)
        settings = read_settings(province=province)
        whole = read_province(settings.province_dir)
        codes = [find_city(whole, name).code for name in cities.replace("\uff0c", ",").split(",") if name.strip()]
        asyncio.run(run_controller(settings, narrowed(whole, codes), clock.now, keep_going))
