"""What the bodies of requests have in common."""

import re
from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import Depends, Header, Path, Query
from pydantic import BaseModel, ConfigDict, Field, field_validator
from pydantic_core import PydanticCustomError

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

    @field_validator("*")
    @classmethod
    def _without_nul(cls, value: Any) -> Any:
        """PostgreSQL takes no NUL in a text: it would look as if the database were away."""
        if _has_nul(value):
            raise PydanticCustomError("control_character", "no control characters")
        return value


def _has_nul(value: Any) -> bool:
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, Mapping):
        return any(_has_nul(part) for pair in value.items() for part in pair)
    return isinstance(value, list | tuple | set | frozenset) and any(_has_nul(part) for part in value)


def _once_key(who: Who, idempotency_key: Annotated[str, Header(max_length=200)] = "") -> str:
    """The caller's own id of this request: the act is done once, however often the request comes. "" for none."""
    if not idempotency_key:
        return ""
    if not _KEY.fullmatch(idempotency_key):
        wrong = Sentence("须为 1 到 64 个字母、数字或 . _ : -", "1 to 64 letters, digits or . _ : -")
        raise Problem(422, "fields", wrong, {"Idempotency-Key": wrong})
    return f"{who.account}/{idempotency_key}"


OnceKey = Annotated[str, Depends(_once_key)]
