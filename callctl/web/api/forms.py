"""What the bodies of requests have in common."""

import re
from typing import Annotated

from fastapi import Depends, Header, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from callctl.core.acts import Sentence
from callctl.web.gate import Who
from callctl.web.problems import Problem

Text = Annotated[str, Field(max_length=200)]
Reason = Annotated[str, Field(max_length=200)]
ReasonAsked = Annotated[str, Query(alias="reason", max_length=200)]  # Of what has no body.
# Names in paths go into the audit: nothing but what a name can be.
NamePath = Annotated[str, Path(pattern=r"^[a-z][a-z0-9._-]{1,31}$")]
KeyPath = Annotated[str, Path(pattern=r"^[0-9a-f]{64}$")]
_KEY = re.compile(r"[A-Za-z0-9._:-]{1,64}")


class Form(BaseModel):
    """What every body is: nothing unknown, so that a mistyped name is told instead of ignored."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


def _once_key(who: Who, idempotency_key: Annotated[str, Header(max_length=200)] = "") -> str:
    """The caller's own id of this request: the act is done once, however often the request comes. "" for none."""
    if not idempotency_key:
        return ""
    if not _KEY.fullmatch(idempotency_key):
        wrong = Sentence("须为 1 到 64 个字母、数字或 . _ : -", "1 to 64 letters, digits or . _ : -")
        raise Problem(422, "fields", wrong, {"Idempotency-Key": wrong})
    return f"{who.account}/{idempotency_key}"


OnceKey = Annotated[str, Depends(_once_key)]
