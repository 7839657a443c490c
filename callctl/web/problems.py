"""What went wrong, for machines and people: problem+json (RFC 9457) in the caller's language, never a traceback."""

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi.exceptions import RequestValidationError
from starlette.responses import JSONResponse

from callctl.core.acts import ActRefused, Sentence
from callctl.desk import DeskClosed, Overtaken
from callctl.hooks import NoSuchWebhook
from callctl.people.accounts import NoSuchAccount, Untouched
from callctl.people.guessing import Locked
from callctl.people.passwords import TooBusy
from callctl.people.signing import CodeNeeded, SignInRefused
from callctl.rights import NotAllowed
from callctl.scripts.desk import NoSuchScript
from callctl.store.accounts import AccountChanged, AccountTaken
from callctl.store.hooks import HookTaken
from callctl.store.port import AlreadyDone, Refusal, StoreLost, WishesChanged
from callctl.store.scripts import ScriptChanged
from callctl.store.sitting import SeatTaken, SitterChanged
from callctl.web.words import Words

MEDIA = "application/problem+json"

# Status: what it is called, in both languages.
TITLES = {
    400: Sentence("请求看不懂", "The request cannot be read"),
    401: Sentence("请先登录", "Sign in first"),
    403: Sentence("没有权限", "Not allowed"),
    404: Sentence("没有这个页面或对象", "There is no such page or thing"),
    405: Sentence("此处不支持这种操作", "This cannot be done here"),
    409: Sentence("有人先改了", "Somebody was quicker"),
    413: Sentence("内容太大", "Too much at once"),
    415: Sentence("内容格式不对", "Wrong kind of content"),
    422: Sentence("有填错的地方", "Something is filled in wrongly"),
    429: Sentence("太频繁了", "Too often"),
    500: Sentence("内部错误", "Internal error"),
    503: Sentence("暂时不可用", "Not available now"),
}


class Problem(Exception):
    """Ends a request with this answer."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: Sentence,
        fields: Mapping[str, Sentence] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail.en)
        self.status = status
        self.code = code  # For programs; does not change with the language.
        self.detail = detail
        self.fields = fields or {}
        self.headers = headers or {}


def not_found(zh: str, en: str) -> Problem:
    """404 with a sentence."""
    return Problem(404, "not_found", Sentence(zh, en))


# What the desk and the stores raise, the more special first: status, and the code for programs.
_SENTENCES: tuple[tuple[type[ActRefused], int, str], ...] = (
    (NotAllowed, 403, "not_allowed"),
    (Overtaken, 409, "overtaken"),
    (SignInRefused, 401, "sign_in_refused"),
    (CodeNeeded, 401, "code_needed"),
    (Locked, 429, "too_often"),
    (TooBusy, 429, "too_often"),
    (NoSuchAccount, 404, "not_found"),
    (NoSuchScript, 404, "not_found"),
    (NoSuchWebhook, 404, "not_found"),
    (DeskClosed, 503, "desk_closed"),
    (ActRefused, 422, "refused"),
)
_REFUSALS: dict[type[Refusal], tuple[str, str]] = {
    WishesChanged: ("overtaken", "刚才有人改了，请看过现状再试"),
    AccountChanged: ("overtaken", "这个账号刚才有人改了，请看过再改"),
    ScriptChanged: ("overtaken", "这条口径刚才有人保存或处理了，请看过再试"),
    HookTaken: ("taken", "这个名称已经用过，请换一个"),
    SitterChanged: ("overtaken", "这个座席刚才已换人，未作任何操作；请看过现状再试"),
    SeatTaken: ("taken", "这个座席已有人签入"),
    AccountTaken: ("taken", "这个名称已经用过，请换一个"),
    AlreadyDone: ("already_done", "这条命令先前已执行过"),
    Refusal: ("refused", "被拒绝"),
}
_RETRY_S = {429: "60", 503: "5"}


def from_domain(fault: Exception) -> Problem | None:
    """The answer to an error of the desk or of a store; None for whatever is not one."""
    if isinstance(fault, Problem):
        return fault
    if isinstance(fault, ActRefused):
        status, code = next((status, code) for kind, status, code in _SENTENCES if isinstance(fault, kind))
        headers = {"Retry-After": _RETRY_S[status]} if status in _RETRY_S else {}
        return Problem(status, code, fault.sentence, fault.fields, headers)
    if isinstance(fault, Refusal):
        code, zh = next(said for kind, said in _REFUSALS.items() if isinstance(fault, kind))
        return Problem(409, code, Sentence(zh, str(fault)))
    if isinstance(fault, Untouched):
        return Problem(503, "not_done", NOT_DONE, headers={"Retry-After": "5"})
    if isinstance(fault, StoreLost):
        return Problem(503, "store_lost", STORE_LOST, headers={"Retry-After": "5"})
    return None


NOT_DONE = Sentence("存储暂时联系不上，密码没有更换", "a store cannot be reached, the password was not changed")
STORE_LOST = Sentence(
    "存储暂时联系不上，这一项现在看不到也改不了；各市接听、通话和已有支援不受影响，恢复后自动可用",
    "a store cannot be reached, this cannot be seen or changed now; answering, calls and running assistance go on",
)


# pydantic's own words, in Chinese. What is not here is shown in English, with the field.
_FIELD_ZH = {
    "missing": "必填",
    "extra_forbidden": "没有这一项",
    "string_type": "须是文字",
    "int_type": "须是整数",
    "int_parsing": "须是整数",
    "float_type": "须是数字",
    "float_parsing": "须是数字",
    "bool_type": "须是 true 或 false",
    "bool_parsing": "须是 true 或 false",
    "string_too_short": "太短，至少 {min_length} 个字符",
    "string_too_long": "太长，最多 {max_length} 个字符",
    "greater_than_equal": "不能小于 {ge}",
    "greater_than": "须大于 {gt}",
    "less_than_equal": "不能大于 {le}",
    "less_than": "须小于 {lt}",
    "enum": "只能是 {expected}",
    "literal_error": "只能是 {expected}",
    "json_invalid": "不是有效的 JSON",
    "too_long": "太多，最多 {max_length} 项",
    "too_short": "太少，至少 {min_length} 项",
    "dict_type": "须是对象",
    "list_type": "须是列表",
    "model_attributes_type": "须是 JSON 对象",
    "string_pattern_mismatch": "格式不对",
    "finite_number": "须是有限的数",
    "control_character": "不能有控制字符",
}


def from_fields(fault: RequestValidationError) -> Problem:
    """The answer to a body, query or path that does not fit: every field at once, in both languages. No input is echoed."""
    fields: dict[str, Sentence] = {}
    for error in fault.errors():
        place = [str(part) for part in error["loc"] if part not in ("body", "query", "path", "header")]
        zh = _FIELD_ZH.get(error["type"])
        en = error["msg"]
        fields[".".join(place) or "body"] = Sentence(zh.format_map(error.get("ctx", {})) if zh else en, en)
    unreadable = any(error["type"] == "json_invalid" for error in fault.errors())
    return wrong_fields(fields, 400 if unreadable else 422)


def wrong_fields(fields: dict[str, Sentence], status: int = 422) -> Problem:
    """The answer that says what is wrong at each field."""
    return Problem(status, "fields", Sentence("请改正这些地方", "please mend these"), fields)


def as_json(problem: Problem, words: Words, request: str) -> JSONResponse:
    """The answer for machines."""
    body: dict[str, Any] = {
        "type": f"urn:callctl:problem:{problem.code}",
        "title": words.told(TITLES.get(problem.status, TITLES[500])),
        "status": problem.status,
        "code": problem.code,
        "detail": words.told(problem.detail),
        "request": request,
    }
    errors = field_errors(problem, words)
    if errors:
        body["errors"] = errors
    headers = {**problem.headers, "Content-Language": words.language, "Cache-Control": "no-store"}
    return JSONResponse(body, problem.status, headers, MEDIA)


def field_errors(problem: Problem, words: Words) -> Sequence[Mapping[str, str]]:
    """What is wrong with which field."""
    return [{"field": name, "message": words.told(sentence)} for name, sentence in problem.fields.items()]
