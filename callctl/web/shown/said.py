"""What came of an act, carried to the next page by a cookie and shown there once."""

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass

from starlette.responses import Response

COOKIE = "callctl_said"
GRADES = ("good", "note", "warn", "alarm")
TEXT_MOST = 700  # Characters; a cookie holds 4 kB.
SECONDS = 60


@dataclass(frozen=True, slots=True)
class Said:
    """One sentence and how it is meant."""

    grade: str
    text: str


def say(answer: Response, grade: str, text: str) -> None:
    """Let the next page of this browser say it. No script can read it, and no other site can set it for us."""
    assert grade in GRADES, grade
    packed = base64.urlsafe_b64encode(json.dumps([grade, text[:TEXT_MOST]], ensure_ascii=False).encode()).decode()
    answer.set_cookie(COOKIE, packed, max_age=SECONDS, path="/", httponly=True, samesite="strict")


def take_said(cookies: Mapping[str, str]) -> Said | None:
    """What is to be said now; None for nothing, or for what is not ours."""
    packed = cookies.get(COOKIE, "")
    if not packed or len(packed) > 6 * TEXT_MOST:
        return None
    try:
        grade, text = json.loads(base64.urlsafe_b64decode(packed))
    except (ValueError, binascii.Error, TypeError):
        return None
    return Said(grade, text) if grade in GRADES and isinstance(text, str) else None


def forget_said(answer: Response) -> None:
    """It has been said."""
    answer.delete_cookie(COOKIE, path="/")
