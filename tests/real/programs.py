"""The PBX programs of a real test, and the one place where a test is skipped because this machine has no FreeSWITCH."""

import os
from collections.abc import Iterable
from pathlib import Path

import pytest

from callctl.core.model import PbxKind
from callctl.lab.freeswitch import NoFreeSwitch
from callctl.lab.lab import Programs, find_programs

PROJECT = Path(__file__).resolve().parent.parent.parent


def programs_for(kinds: Iterable[PbxKind | str]) -> Programs:
    """A program for each kind. (One place: pytest's summary then says the reason once, with how many tests it cost.)"""
    try:
        return find_programs({PbxKind(kind) for kind in kinds}, os.environ, PROJECT)
    except NoFreeSwitch as none:
        pytest.skip(str(none))
