"""The way in and out: signing in, the first password, the own account, language and colours."""

from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from callctl.core.acts import ActRefused, Sentence
from callctl.people import codes
from callctl.people.accounts import Untouched
from callctl.rights import Role
from callctl.store.accounts import Account
from callctl.store.port import Refusal, RegistryLost, StoreLost
from callctl.store.visits import Visit
from callctl.web.api.visit import drop_cookie, set_cookie
from callctl.web.doors import NOBODY, Doors
from callctl.web.forms import UNDONE, Typed, filled, onward, own_path, refused, status_of, typed
from callctl.web.gate import COOKIE, Caller, TheHouse, TheWords, Who, address_of
from callctl.web.pages import page
from callctl.web.shown.show import PLACES, THEME_COOKIE, THEMES
from callctl.web.words import EN, LANGUAGE_COOKIE, ZH

DOORS = Doors()
YEAR_S = 365 * 86_400
# Where a role's day begins; the first that fits.
LANDINGS = (
    (Role.DISPATCHER, "/board"),
    (Role.SUPERVISOR, "/board"),
    (Role.AGENT, "/desk"),
    (Role.EDITOR, "/scripts"),
    (Role.APPROVER, "/scripts"),
    (Role.SYSTEM_ADMIN, "/webhooks"),
    (Role.SECURITY_ADMIN, "/accounts"),
    (Role.AUDITOR, "/audit"),
)


@DOORS.get("/", "own account")
async def landing(who: Who) -> Response:
    """Where a role's day begins."""
    needs = {place.href: place.right for place in PLACES}
    fits = (place for role, place in LANDINGS if role in who.actor.roles and who.actor.may(needs[place], ""))
    return RedirectResponse(next(fits, "/board"), 303)


@DOORS.post("/look", NOBODY)
async def look(request: Request) -> Response:
    """Choose language or colours; kept in this browser only."""
    form = await typed(request)
    answer = onward(form.get("back"))
    if form.get("language") in (ZH, EN):
        answer.set_cookie(LANGUAGE_COOKIE, form.get("language"), max_age=YEAR_S, path="/", samesite="lax")
    if form.get("theme") in THEMES:
        answer.set_cookie(THEME_COOKIE, form.get("theme"), max_age=YEAR_S, path="/", samesite="lax")
    return answer


@DOORS.get("/signin", NOBODY)
async def sign_in_page(request: Request) -> HTMLResponse:
    """Name, password, and where the account has one, the one-time code."""
    return _sign_in(request, filled(next=own_path(request.query_params.get("next", ""))))


@DOORS.post("/signin", NOBODY)
async def sign_in(request: Request, house: TheHouse) -> Response:
    """Begin a visit; the browser's earlier one ends."""
    form = await typed(request)
    try:
        before = await house.visits.find(request.cookies.get(COOKIE, ""), house.now())
        browser = request.headers.get("user-agent", "")
        visit, secret = await house.sign_in.enter(
            form.get("name"), form.get("password"), form.get("code"), address_of(request), browser
        )
        if before is not None:
            await house.visits.close(before)
    except ActRefused as fault:
        # Who is only asked for the code has typed the right password: it must not be typed again, so it stays.
        kept = form if "code" in fault.fields else form.without("password", "code")
        return _sign_in(request, kept.refused(fault), 422)
    except StoreLost as lost:
        why = _NO_REGISTRY if isinstance(lost, RegistryLost) else _NO_DATABASE
        return _sign_in(request, Typed(form.without("password").values, {"": why}), 503)
    answer = onward("/password" if visit.must_change else form.get("next"))
    set_cookie(answer, secret)
    return answer


def _sign_in(request: Request, form: Typed, status: int = 200) -> HTMLResponse:
    return page(request, "visit/signin.html", status, {"form": form, "code_asked": "code" in form.wrong})


@DOORS.post("/signout", "own account")
async def sign_out(house: TheHouse, who: Who) -> Response:
    """End this visit."""
    if who.visit is not None:
        await house.sign_in.leave(who.visit, who.actor.where)
    answer = onward("/signin")
    drop_cookie(answer)
    return answer


@DOORS.get("/welcome", NOBODY)
async def welcome_page(request: Request) -> HTMLResponse:
    """The first password, by invitation."""
    return page(request, "visit/welcome.html", context={"form": filled(invitation=request.query_params.get("i", "")[:100])})


@DOORS.post("/welcome", NOBODY)
async def welcome(request: Request, house: TheHouse, words: TheWords) -> Response:
    """Take the invitation up; then sign in with the new password."""
    form = await typed(request)
    try:
        _must_be_alike(form)
        account = await house.people.take_up(form.get("invitation"), form.get("password"), address_of(request))
    except UNDONE as fault:
        shown = _without_passwords(form, fault)
        return page(request, "visit/welcome.html", status_of(fault), {"form": shown})
    return onward("/signin", "good", words("密码已设置，账号是 {name}，请登录", name=account.name))


@DOORS.get("/password", "own account")
async def password_page(request: Request) -> HTMLResponse:
    """A new password in place of the old."""
    return page(request, "visit/password.html", context={"form": Typed()})


@DOORS.post("/password", "own account")
async def password(request: Request, house: TheHouse, who: Who, words: TheWords) -> Response:
    """Change it. Every other visit of the account ends."""
    form = await typed(request)
    try:
        _must_be_alike(form)
        here = who.visit.key if who.visit else ""
        await house.people.change_password(who.account, form.get("old"), form.get("password"), who.actor.where, here)
        browser = request.headers.get("user-agent", "")
        _, secret = await house.sign_in.begin(await house.people.own(who.account), who.actor.where, browser)
    except UNDONE as fault:
        shown = _without_passwords(form, fault)
        return page(request, "visit/password.html", status_of(fault), {"form": shown})
    answer = onward("/", "good", words("密码已更换，其他地方的登录都已退出"))
    set_cookie(answer, secret)
    return answer


def _must_be_alike(form: Typed) -> None:
    if form.get("password") != form.get("again"):
        raise ActRefused(_UNLIKE.zh, _UNLIKE.en, {"again": _UNLIKE})


def _without_passwords(form: Typed, fault: ActRefused | Refusal | StoreLost) -> Typed:
    """What went against it. A password that was not saved, or perhaps was, is typed again: it is never given back."""
    shown = refused(form, fault).without("old", "password", "again")
    if isinstance(fault, Untouched):
        return Typed(shown.values, {"": _NOT_SET_REGISTRY if fault.registry else _NOT_SET_DATABASE})
    return Typed(shown.values, {"": _PERHAPS_SET}) if isinstance(fault, StoreLost) else shown


@DOORS.get("/account", "own account")
async def account_page(request: Request, house: TheHouse, who: Who) -> HTMLResponse:
    """The own account: where it is signed in, one-time codes."""
    return await _account(request, house, who, Typed(), "")


@DOORS.post("/account/codes/key", "own account")
async def new_key(request: Request, house: TheHouse, who: Who) -> HTMLResponse:
    """A key for an authenticator; nothing is changed until a code comes back."""
    return await _account(request, house, who, Typed(), codes.new_key())


@DOORS.post("/account/codes", "own account")
async def use_codes(request: Request, house: TheHouse, who: Who, words: TheWords) -> Response:
    """Ask for one-time codes from now on."""
    form = await typed(request)
    try:
        await house.people.use_codes(who.account, form.get("password"), form.get("key"), form.get("code"), who.actor.where)
    except UNDONE as fault:
        form = refused(form, fault).without("password")
        return await _account(request, house, who, form, form.get("key")[:64], status_of(fault))
    return onward("/account", "good", words("动态码已启用，下次登录起需要输入"))


@DOORS.post("/account/visits/end", "own account")
async def end_visit(request: Request, house: TheHouse, who: Who, words: TheWords) -> Response:
    """Sign out elsewhere."""
    key = (await typed(request)).get("key")
    for visit in await house.visits.of(who.account):
        if visit.key == key:
            await house.sign_in.leave(visit, who.actor.where)
    return onward("/account", "good", words("已退出"))


async def _account(
    request: Request, house: TheHouse, who: Caller, form: Typed, key: str, status: int = 200
) -> HTMLResponse:
    """The own account. With a store away, the form that was refused is there alone, with its key."""
    own: Account | None = None
    visits: Sequence[Visit] = ()
    try:
        own = await house.people.own(who.account)
        visits = await house.visits.of(who.account)
    except StoreLost:
        if not form.wrong:
            raise
    shown = {
        "path": "/account",
        "form": form,
        "account": own,
        "visits": visits,
        "this": who.visit.key if who.visit else "",
        "key": key,
        "address": codes.address(key, who.account) if key else "",
    }
    return page(request, "visit/account.html", status, shown)


_UNLIKE = Sentence("两次输入的密码不一样", "the two passwords differ")
_PERHAPS_SET = Sentence(
    "存储暂时联系不上，新密码可能已经生效，也可能没有；恢复后请先试新密码，不行再重新设置",
    "a store cannot be reached, the new password may hold or not; later try it first, and set it again if it fails",
)
_NOT_SET_REGISTRY = Sentence(
    "登记库联系不上，密码没有更换；请稍后再试",
    "the registry cannot be reached, the password was not changed; try again later",
)
_NOT_SET_DATABASE = Sentence(
    "历史库联系不上，密码没有更换；请稍后再试",
    "the history database cannot be reached, the password was not changed; try again later",
)
_NO_REGISTRY = Sentence(
    "登记库联系不上，暂时不能登录；各市接听不受影响，命令行 callctl stop 仍可用",
    "the registry cannot be reached, nobody can sign in now; answering goes on, `callctl stop` works on the command line",
)
_NO_DATABASE = Sentence(
    "历史库联系不上，暂时不能登录；各市接听不受影响，已登录的人可继续使用",
    "the history database cannot be reached, nobody can sign in now; answering goes on, whoever is signed in stays so",
)
