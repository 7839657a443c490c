"""机器令牌: which machines may ask the API, as what, for which cities, how long; the secret is shown once."""

from collections.abc import Sequence
from datetime import timedelta

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from callctl.core.acts import ActRefused, Sentence
from callctl.people.accounts import TOKEN_DAYS_MOST
from callctl.rights import RIGHTS, Role
from callctl.store.accounts import Token
from callctl.store.port import StoreLost
from callctl.web.doors import Doors
from callctl.web.forms import UNDONE, Typed, filled, onward, refused, status_of, typed
from callctl.web.gate import TheHouse, TheWords, Who
from callctl.web.pages import page

DOORS = Doors()
PLACE = "/tokens"
USUAL_DAYS = timedelta(days=365).days
# A machine is no agent, and no machine manages accounts.
ROLES = [role.value for role in Role if role not in (Role.AGENT, Role.SECURITY_ADMIN)]
RIGHT_WORDS = {
    "event start": "启动和调整支援事件",
    "event end": "终止支援事件",
    "switch on": "开启支援",
    "switch off": "关闭支援、预估开启效果",
    "quota": "调整配额",
    "threshold": "调整阈值",
    "reserve": "调整保留",
    "confirm": "确认和撤回座席",
    "wave enter": "批次入场",
    "wave leave": "批次离场",
    "must read on": "必读未读不派话",
    "must read off": "必读未读也派话",
    "stop all": "全部停止",
    "resume": "恢复支援",
    "see": "看实时画面和走势",
    "see calls": "看通话记录",
    "see number": "看完整号码、按号码查找",
    "see audit": "看审计",
    "see timeline": "看操作记录",
    "see scripts": "看统一口径",
    "see drafts": "看口径草稿",
    "script write": "编写口径",
    "script publish": "审核发布口径",
    "script expire": "使口径失效",
    "script read": "确认已读口径",
    "see receipts": "看口径已读率",
    "desk": "座席工作台",
    "see seats": "看座席",
    "force": "强制示闲、示忙、签出",
    "listen": "监听、耳语、强插",
    "see books": "看记录目录",
    "pull orders": "领取工单",
    "order status": "回报工单状态",
    "see orders": "看工单和分类",
    "see missed": "看漏接",
    "call back": "登记回拨",
    "see reports": "看日报",
    "report write": "编写日报说明",
    "report approve": "审批日报",
    "report send": "登记日报报出",
    "categories": "导入诉求分类",
    "own account": "查询令牌自身",
    "see accounts": "看账号和令牌",
    "change accounts": "管理账号和令牌",
    "webhooks": "管理事件推送",
}


@DOORS.get("/tokens", "see accounts")
async def all_tokens(request: Request, house: TheHouse, who: Who) -> HTMLResponse:
    """Every token of one's own cities, without its secret."""
    return await _all(request, house, who, Typed())


@DOORS.get("/tokens/new", "change accounts")
async def new_page(request: Request) -> HTMLResponse:
    """The form of a new token."""
    return _form(request, filled(days=USUAL_DAYS))


@DOORS.post("/tokens/new", "change accounts")
async def create(request: Request, house: TheHouse, who: Who) -> Response:
    """Make it, and show its secret once."""
    form = await typed(request)
    name, days = form.get("name").strip(), form.get("days").strip()
    try:
        if not (days.isascii() and days.isdecimal() and len(days) < 5):
            said = Sentence(f"须为 1 到 {TOKEN_DAYS_MOST} 天", f"1 to {TOKEN_DAYS_MOST} days")
            raise ActRefused(said.zh, said.en, {"days": said})
        roles = [Role(role) for role in form.all("roles") if role in ROLES]
        secret = await house.people.make_token(
            who.actor,
            name,
            roles,
            form.all("cities"),
            form.all("rights"),
            int(days),
            form.get("reason"),
            form.get("request"),
        )
    except UNDONE as fault:
        return _form(request, refused(form, fault), status_of(fault))
    return page(request, "machines/secret.html", context={"name": name, "secret": secret, "path": PLACE, "token": True})


@DOORS.post("/tokens/{name}/end", "change accounts")
async def end(request: Request, house: TheHouse, who: Who, words: TheWords, name: str) -> Response:
    """The token is refused from now on."""
    form = await typed(request)
    try:
        await house.people.end_token(who.actor, name[:64], form.get("reason"), form.get("request"))
    except UNDONE as fault:
        return await _all(request, house, who, refused(form, fault), status_of(fault), name[:64])
    return onward(PLACE, "good", words("令牌 {name} 已终止", name=name))


async def _all(
    request: Request, house: TheHouse, who: Who, form: Typed, status: int = 200, ending: str = ""
) -> HTMLResponse:
    """The list. `ending`: the token whose end was refused, perhaps none of the list; `form` is what was typed to that."""
    try:
        tokens: Sequence[Token] | None = await house.people.tokens(who.actor)
    except StoreLost:
        if not ending:
            raise
        tokens = None
    shown = {"tokens": tokens, "form": form, "path": PLACE, "rights": RIGHT_WORDS, "ending": ending}
    return page(request, "machines/tokens.html", status, shown)


def _form(request: Request, form: Typed, status: int = 200) -> HTMLResponse:
    shown = {
        "form": form,
        "roles": ROLES,
        "rights": {
            right: RIGHT_WORDS[right] for right, held in RIGHTS.items() if any(role.value in ROLES for role in held)
        },
        "days": TOKEN_DAYS_MOST,
    }
    return page(request, "machines/new_token.html", status, shown)
