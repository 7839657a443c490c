"""账号: who may sign in, as what and for which cities; invitations. Security administrator."""

from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from callctl.people.accounts import Wanted
from callctl.rights import Role
from callctl.store.accounts import Account
from callctl.store.port import StoreLost
from callctl.store.visits import Visit
from callctl.web.doors import Doors
from callctl.web.forms import UNDONE, Typed, onward, refused, status_of, typed
from callctl.web.gate import Caller, TheHouse, TheWords, Who
from callctl.web.pages import page

DOORS = Doors()


@DOORS.get("/accounts", "see accounts")
async def all_accounts(request: Request, house: TheHouse, who: Who) -> HTMLResponse:
    """Every account of one's own cities."""
    shown = {"accounts": await house.people.accounts(who.actor)}
    return page(request, "accounts/list.html", context=shown)


@DOORS.get("/accounts/new", "change accounts")
async def new_page(request: Request) -> HTMLResponse:
    """The form of a new account."""
    return _form(request, Typed(), "")


@DOORS.post("/accounts/new", "change accounts")
async def create(request: Request, house: TheHouse, who: Who) -> Response:
    """Make it, and show the invitation once."""
    form = await typed(request)
    try:
        name = form.get("name").strip()
        invitation = await house.people.create(who.actor, name, _wanted(form), form.get("reason"), form.get("request"))
    except UNDONE as fault:
        return _form(request, refused(form, fault), "", status_of(fault))
    return page(request, "accounts/invited.html", context={"name": name, "invitation": invitation, "path": "/accounts"})


@DOORS.get("/accounts/{name}", "see accounts")
async def account_page(request: Request, house: TheHouse, who: Who, name: str) -> HTMLResponse:
    """One account: what it may do, where it is signed in."""
    return await _account(request, house, who, name, None)


@DOORS.post("/accounts/{name}", "change accounts")
async def change(request: Request, house: TheHouse, who: Who, words: TheWords, name: str) -> Response:
    """Change it as it was seen; its visits end."""
    form = await typed(request)
    try:
        seen = form.number("version")
        await house.people.change(who.actor, name, seen, _wanted(form), form.get("reason"), form.get("request"))
    except UNDONE as fault:
        return await _account(request, house, who, name, refused(form, fault), status_of(fault))
    return onward(f"/accounts/{name}", "good", words("已保存；该账号的登录都已退出"))


@DOORS.post("/accounts/{name}/invite", "change accounts")
async def invite(request: Request, house: TheHouse, who: Who, name: str) -> Response:
    """A new invitation; the old password holds until it is taken up."""
    form = await typed(request)
    try:
        invitation = await house.people.invite(who.actor, name, form.get("reason"), form.get("request"))
    except UNDONE as fault:
        return await _account(request, house, who, name, refused(form, fault), status_of(fault))
    return page(request, "accounts/invited.html", context={"name": name, "invitation": invitation, "path": "/accounts"})


@DOORS.post("/accounts/{name}/signout", "change accounts")
async def sign_out(request: Request, house: TheHouse, who: Who, words: TheWords, name: str) -> Response:
    """Sign it out everywhere, or end one visit."""
    form = await typed(request)
    try:
        await house.people.end_visits(who.actor, name, form.get("key"), form.get("reason"))
    except UNDONE as fault:
        return await _account(request, house, who, name, refused(form, fault), status_of(fault))
    return onward(f"/accounts/{name}", "good", words("已退出"))


def _wanted(form: Typed) -> Wanted:
    roles = frozenset(Role(role) for role in form.all("roles") if role in Role._value2member_map_)
    return Wanted(
        form.get("person"), roles, frozenset(form.all("cities")), form.get("agent").strip(), form.get("closed") == "yes"
    )


def _form(request: Request, form: Typed, name: str, status: int = 200) -> HTMLResponse:
    return page(request, "accounts/new.html", status, {"form": form, "name": name, "roles": [role.value for role in Role]})


async def _account(
    request: Request, house: TheHouse, who: Caller, name: str, form: Typed | None, status: int = 200
) -> HTMLResponse:
    """The account's page. With the database away, what was typed to a press that was refused is there alone."""
    account: Account | None = None
    visits: Sequence[Visit] | None = None
    try:
        account = await house.people.seen(who.actor, name)
        visits = await house.visits.of(name)
    except StoreLost:
        if form is None:
            raise
    changing = form is not None and "person" in form.values
    if account is not None and not changing:
        form = Typed(_fields(account), form.wrong if form else {})
    shown = {
        "path": f"/accounts/{name}",
        "name": name,
        "account": account,
        "form": form,
        "shown": changing or account is not None,
        "visits": visits,
        "roles": [role.value for role in Role],
    }
    return page(request, "accounts/one.html", status, shown)


def _fields(account: Account) -> dict[str, tuple[str, ...]]:
    return {
        "person": (account.person,),
        "roles": account.roles,
        "cities": account.cities,
        "agent": (account.agent,),
        "closed": ("yes" if account.closed else "",),
    }
