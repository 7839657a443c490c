"""The root of the command line: every command, and how each kind of ending becomes one line and an exit code."""

import io
import logging
import os
import sys

import typer

from callctl import clock, log
from callctl.cli import (
    check,
    db,
    demo,
    fuzz,
    kpi,
    lab,
    look,
    operate,
    orders,
    plan,
    privacy,
    records,
    render,
    report,
    run,
    simulate,
    web,
)
from callctl.cli.exits import ended_by
from callctl.cli.words import say


def make_app() -> typer.Typer:
    """The whole command line, in the language of this process."""
    app = typer.Typer(
        name="callctl",
        help=say(
            "多援一：各市话务员在自己座席上接听一市的 12345 来电", "Agents of many cities answer one city's 12345 calls"
        ),
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,  # Plain usage errors: the boxes are cut off in narrow terminals and garbled in pipes.
        pretty_exceptions_enable=False,
    )
    for module in (
        *(run, look, operate, check, render, lab, demo, simulate, fuzz, plan),
        *(db, web, records, kpi, orders, report, privacy),
    ):
        module.register(app)
    return app


def run_command_line() -> int:
    """Run one command; its exit code."""
    # A program started with a closed stream (`>&-`) has none: what it says then is lost, not a fault.
    sys.stdout = sys.stdout or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - as long as the process
    sys.stderr = sys.stderr or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding=None if _knows_chinese(stream.encoding) else "utf-8", errors="replace")
    # What a library has to say is for the service's log; a person at a terminal gets the one line of cli/exits.py.
    log.set_up("console", clock.now, level=logging.CRITICAL)
    return _all_said(_run_one())


def _run_one() -> int:
    try:
        make_app()(prog_name="callctl")
    except SystemExit as ending:
        return ending.code if isinstance(ending.code, int) else 0
    except KeyboardInterrupt:
        return 130
    except Exception as fault:
        return ended_by(fault)
    return 0


def _all_said(code: int) -> int:
    """Bring out what is still in the buffer: at the very end Python would complain in its own words, and say 120."""
    try:
        sys.stdout.flush()
    except OSError as fault:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(fault, BrokenPipeError) or code:  # `| head` has seen enough; or what went wrong has been told.
            return code
        print(f"callctl: {say('输出写不进去', 'the output cannot be written')}: {fault.strerror}", file=sys.stderr)
        return 1
    return code


def _knows_chinese(encoding: str) -> bool:
    """Whether a terminal's character set can show the cities' names; one that cannot gets UTF-8 all the same."""
    try:
        "多援一".encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return False
    return True
