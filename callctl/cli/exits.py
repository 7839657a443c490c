"""How a command ends: the exit codes, and one line on standard error for everything that goes wrong."""

import errno
import os
import sys
import tempfile
import traceback
from pathlib import Path

from callctl.app import NotRunnable
from callctl.cli.words import say, told
from callctl.core.acts import ActRefused
from callctl.desk import DeskClosed
from callctl.log import mask_text
from callctl.pbx.port import OrderFailed
from callctl.province import ProvinceError
from callctl.rights import NotAllowed
from callctl.rules import RulesError
from callctl.settings import SettingsError, read_settings
from callctl.store.embedded import EmbeddedFailed
from callctl.store.port import Refusal, StoreLost
from callctl.store.schema import SchemaUnfit

DONE = 0
REFUSED = 1  # Asked for something that cannot be; also: a check that found mistakes.
LATER = 3  # Recorded; in effect when Redis or the controller is back.
STALE = 4  # The picture is old, or there is none: the controller is not running.
UNAVAILABLE = 69  # A store is lost without which the command can do nothing. 69 to 78: sysexits.h.
INTERNAL = 70
NOT_ALLOWED = 77
CONFIGURATION = 78
_THE_MACHINES = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EMFILE, errno.ENFILE})  # No bug of ours.
CRASH_FILE = "crash.txt"  # One file, written over: a service that restarts for ever must not fill the disk.


def ended_by(fault: BaseException) -> int:
    """Tell the person what went wrong, in one line where it is no bug of ours; the exit code."""
    while isinstance(fault, BaseExceptionGroup):
        fault = fault.exceptions[0]
    if isinstance(fault, ActRefused):
        _complain(told(fault.sentence))
        return NOT_ALLOWED if isinstance(fault, NotAllowed) else UNAVAILABLE if isinstance(fault, DeskClosed) else REFUSED
    if isinstance(fault, SettingsError | NotRunnable | ProvinceError | RulesError | EmbeddedFailed | SchemaUnfit):
        for line in str(fault).splitlines():
            _complain(line)
        return CONFIGURATION
    if isinstance(fault, StoreLost):
        _complain(say(f"存储联系不上：{fault}", f"a store cannot be reached: {fault}"))
        return UNAVAILABLE
    if isinstance(fault, Refusal | OrderFailed):
        _complain(str(fault))
        return REFUSED
    if isinstance(fault, OSError) and fault.errno in _THE_MACHINES:
        _complain(f"{fault.filename or say('输出写不进去', 'the output cannot be written')}: {fault.strerror}")
        return REFUSED
    return _crashed(fault)


def _complain(text: str) -> None:
    print(f"callctl: {text}", file=sys.stderr)


def _crashed(fault: BaseException) -> int:
    text = mask_text("".join(traceback.format_exception(fault)))
    name = type(fault).__name__
    where = _write_crash(text)
    _complain(
        say(
            f"内部错误({name})，请把 {where} 交给维护人员",
            f"internal error ({name}); please hand {where} to whoever maintains callctl",
        )
    )
    return INTERNAL


def _write_crash(text: str) -> Path:
    """The full traceback, in the state folder, else in a file of its own in the temporary folder."""
    path = read_settings().state_dir / CRASH_FILE
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    except OSError:
        handle, name = tempfile.mkstemp(prefix="callctl-crash-", suffix=".txt")
        path = Path(name)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
    return path
