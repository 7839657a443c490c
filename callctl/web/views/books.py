"""记录: a city's orders with cards, its missed calls, its daily reports from draft to sent; the categories' import."""

from collections.abc import Awaitable, Sequence
from datetime import date, timedelta

from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from callctl.bookkeeping import FORMS, SHEET_MOST, MissedList
from callctl.core import rates
from callctl.core.acts import ActRefused, Sentence
from callctl.core.categories import Category
from callctl.core.days import day_of
from callctl.core.demand import CARD_ZH, DEMAND_ZH, STATE_ZH, Card
from callctl.core.missed import Missed, Tried
from callctl.store.port import StoreLost
from callctl.web.api.calls import CallId
from callctl.web.api.reports import download
from callctl.web.doors import Doors
from callctl.web.forms import UNDONE, Typed, onward, refused, status_of, typed
from callctl.web.gate import TheCity, TheHouse, TheWords, Who, seen_cities
from callctl.web.pages import page
from callctl.web.shields import SHEET_BODY_MOST

DOORS = Doors()
HOW_WORDS = {
    Missed.ABANDONED: "放弃",
    Missed.BLOCKED: "遇忙",
    Missed.CUT_OFF: "通话中断",
    Missed.NOT_REACHED: "回拨未接通",
    Missed.ASKED: "按键要求回拨",
}
TRIED_WORDS = {
    Tried.ANSWERED: "已接通",
    Tried.NO_ANSWER: "无人接听",
    Tried.BUSY: "忙",
    Tried.UNREACHABLE: "无法接通",
    Tried.WRONG: "空号或错号",
    Tried.DECLINED: "不需要回拨",
}
REPORT_WORDS = {"draft": "草稿", "approved": "已审批", "sent": "已报出"}
DEMAND_WORDS = {kind.value: text for kind, text in DEMAND_ZH.items()}
STATE_WORDS = {kind.value: text for kind, text in STATE_ZH.items()}
CARD_WORDS = {kind.value: text for kind, text in CARD_ZH.items()}
WORDS = {
    "how": {kind.value: text for kind, text in HOW_WORDS.items()},
    "tried": {kind.value: text for kind, text in TRIED_WORDS.items()},
    "report": REPORT_WORDS,
    "demand": DEMAND_WORDS,
    "state": STATE_WORDS,
    "card": CARD_WORDS,
}
PARTS = (("calls", "see calls"), ("orders", "see orders"), ("missed", "see missed"), ("reports", "see reports"))
PART_WORDS = {"calls": "通话记录", "orders": "工单", "missed": "漏接回拨", "reports": "数据日报"}


@DOORS.get("/books", "see books")
async def books(request: Request, house: TheHouse, who: Who) -> HTMLResponse:
    """The cities this person sees, and what may be looked at of each."""
    shown = {"cities": seen_cities(house, who.actor), "parts": PARTS, "names": PART_WORDS}
    return page(request, "books/cities.html", context=shown)


@DOORS.get("/cities/{city}/orders", "see orders")
async def orders(request: Request, house: TheHouse, city: TheCity) -> HTMLResponse:
    """Open orders with 黄牌 and 红牌, and what of yesterday is not reconciled."""
    found = await house.books.orders(city.code)
    yesterday = day_of(house.now()) - timedelta(days=1)
    shown = {
        "city": city,
        "orders": found,
        "red": sum(one.card is Card.RED for one in found),
        "yellow": sum(one.card is Card.YELLOW for one in found),
        "day": yesterday,
        "open_ends": await house.books.unreconciled(city.code, yesterday),
        "words": WORDS,
    }
    return page(request, "books/orders.html", context=shown)


@DOORS.get("/cities/{city}/missed", "see missed")
async def missed(request: Request, house: TheHouse, city: TheCity) -> HTMLResponse:
    """Whom to call back, and what came of the last day's call-backs."""
    return await _missed(request, house, city, Typed())


@DOORS.post("/cities/{city}/missed/{call}/result", "call back")
async def result(request: Request, house: TheHouse, who: Who, words: TheWords, city: TheCity, call: CallId) -> Response:
    """What came of a call-back dialled by hand."""
    form = await typed(request)
    outcome = next((one for one in Tried if one.value == form.get("outcome")), None)
    if outcome is None:
        return onward(f"/cities/{city.code}/missed", "warn", words("请选择回拨结果"))
    try:
        once = form.get("request")[:64]
        await house.books.called_back(who.actor, city.code, call, outcome, "", form.get("note")[:200], once)
    except StoreLost as lost:
        return await _missed(request, house, city, refused(form, lost), status_of(lost), (call, "result"))
    except ActRefused as fault:
        return onward(f"/cities/{city.code}/missed", "warn", words.told(fault.sentence))
    return onward(f"/cities/{city.code}/missed", "good", words("已登记回拨结果"))


@DOORS.post("/cities/{city}/missed/{call}/number", "see number")
async def number(request: Request, house: TheHouse, who: Who, city: TheCity, call: CallId) -> Response:
    """The number in full, for dialling by hand: with a reason, audited before it is shown."""
    form = await typed(request)
    try:
        found = await house.unmasking.number(who.actor, city.code, call, form.get("reason"), form.get("request")[:64])
    except UNDONE as fault:
        return await _missed(request, house, city, refused(form, fault), status_of(fault), (call, "number"))
    return await _missed(request, house, city, form, shown_number=(call, found))


async def _missed(
    request: Request,
    house: TheHouse,
    city: TheCity,
    form: Typed,
    status: int = 200,
    pressed: tuple[str, str] = ("", ""),
    shown_number: tuple[str, str] = ("", ""),
) -> HTMLResponse:
    """The list. `pressed`: the call and the form that was refused; with the database away it is there alone."""
    found: MissedList | None = None
    try:
        found = await house.books.missed(city.code)
    except StoreLost:
        if not form.wrong:
            raise
    about = {"path": f"/cities/{city.code}/missed", "pressed": pressed, "clear": shown_number}
    shown = {**about, "city": city, "found": found, "form": form, "words": WORDS, "tried": TRIED_WORDS}
    return page(request, "books/missed.html", status, shown)


@DOORS.get("/cities/{city}/reports", "see reports")
async def reports(request: Request, house: TheHouse, city: TheCity) -> HTMLResponse:
    """The city's daily reports, the newest first."""
    found = await house.books.reports(city.code)
    yesterday = day_of(house.now()) - timedelta(days=1)
    return page(request, "books/reports.html", context={"city": city, "reports": found, "day": yesterday, "words": WORDS})


@DOORS.get("/cities/{city}/reports/{day}", "see reports")
async def report(request: Request, house: TheHouse, city: TheCity, day: date) -> HTMLResponse:
    """One day: its main figures, notes, approval, sending, files."""
    return await _report(request, house, city, day, Typed())


@DOORS.get("/cities/{city}/reports/{day}/file/{form}", "see reports")
async def file(house: TheHouse, city: TheCity, day: date, form: str) -> Response:
    """The report as HTML, PDF, workbook or JSON."""
    if form not in FORMS:
        raise ActRefused("没有这种文件", "there is no such file")
    return download(await house.books.report_file(city.code, day, form), city.code, day, form)


@DOORS.post("/cities/{city}/reports/{day}/notes", "report write")
async def notes(request: Request, house: TheHouse, who: Who, words: TheWords, city: TheCity, day: date) -> Response:
    """编报说明."""
    form = await typed(request)
    step = house.books.annotate(who.actor, city.code, day, form.get("notes")[:4000], form.get("request")[:64])
    return await _taken(request, house, city, day, form, step, "notes", words("说明已保存"))


@DOORS.post("/cities/{city}/reports/{day}/approve", "report approve")
async def approve(request: Request, house: TheHouse, who: Who, words: TheWords, city: TheCity, day: date) -> Response:
    """审批: the figures stay as they are from here."""
    form = await typed(request)
    if form.get("sure") != "yes":
        return onward(f"/cities/{city.code}/reports/{day}", "warn", words("审批前请勾选已核对"))
    step = house.books.approve(who.actor, city.code, day, form.get("request")[:64])
    return await _taken(request, house, city, day, form, step, "approve", words("已审批，数字从此不变"))


@DOORS.post("/cities/{city}/reports/{day}/sent", "report send")
async def sent(request: Request, house: TheHouse, who: Who, words: TheWords, city: TheCity, day: date) -> Response:
    """登记报出."""
    form = await typed(request)
    to = form.get("to").strip()[:200]
    if not to:
        return onward(f"/cities/{city.code}/reports/{day}", "warn", words("请填写报送对象"))
    step = house.books.sent(who.actor, city.code, day, to, form.get("request")[:64])
    return await _taken(request, house, city, day, form, step, "sent", words("已登记报出"))


async def _taken(
    request: Request,
    house: TheHouse,
    city: TheCity,
    day: date,
    form: Typed,
    step: Awaitable[None],
    pressed: str,
    said: str,
) -> Response:
    """Take a step of the report's way; refused, the page shows why, with what was typed."""
    try:
        await step
    except UNDONE as fault:
        return await _report(request, house, city, day, refused(form, fault), status_of(fault), pressed)
    return onward(f"/cities/{city.code}/reports/{day}", "good", said)


async def _report(
    request: Request, house: TheHouse, city: TheCity, day: date, form: Typed, status: int = 200, pressed: str = ""
) -> HTMLResponse:
    """The report. `pressed`: the step that was refused; with the database away its form is there alone."""
    about = {"city": city, "day": day, "form": form, "words": WORDS, "path": f"/cities/{city.code}/reports/{day}"}
    try:
        made, kept = await house.books.report(city.code, day)
    except StoreLost:
        if not pressed:
            raise
        return page(request, "books/report_step.html", status, {**about, "pressed": pressed})
    sums = made.sums
    figures = {
        "接通率": rates.connect_rate(sums),
        "30秒人工接通率": rates.within(sums, 30),
        "15秒接通率": rates.within(sums, 15),
        "分担比例": rates.share_helped(sums),
        "满意率": rates.satisfied(sums),
        "在线解答和流转办理率": rates.remote_recorded(sums),
    }
    shown = {"r": made, "kept": kept, "figures": figures, "forms": list(FORMS)}
    return page(request, "books/report.html", status, {**about, **shown})


@DOORS.get("/categories", "see orders")
async def categories(request: Request, house: TheHouse) -> HTMLResponse:
    """The categories in use."""
    return await _categories(request, house, Typed())


@DOORS.post("/categories", "categories", max_body_size=SHEET_BODY_MOST)
async def replace(request: Request, house: TheHouse, who: Who, words: TheWords) -> Response:
    """A new tree from a file: all of it, or nothing, with every mistake told by its line."""
    sheet = b""
    async with request.form(max_files=1, max_fields=10) as form:
        given = form.get("sheet")
        if isinstance(given, UploadFile):
            sheet = await given.read(SHEET_MOST + 1)
    if not sheet:
        return onward("/categories", "warn", words("请选择分类文件（CSV）"))
    try:
        count = await house.books.replace_categories(who.actor, sheet)
    except ActRefused as fault:
        return await _categories(request, house, Typed().refused(fault), status_of(fault))
    except StoreLost as lost:
        return await _categories(request, house, Typed({}, {"": _PERHAPS_IMPORTED}), status_of(lost))
    return onward("/categories", "good", words("已导入 {n} 条分类", n=count))


async def _categories(request: Request, house: TheHouse, form: Typed, status: int = 200) -> HTMLResponse:
    """The categories. With the database away, the form that was refused is there alone."""
    tree: Sequence[Category] = ()
    broken: Sentence | None = None
    try:
        tree = await house.books.tree()
    except ActRefused as fault:  # The province's own file is wrong: the form that replaces it must stay in reach.
        broken = fault.sentence
    except StoreLost:
        if not form.wrong:
            raise
    shown = {"tree": tree, "form": form, "refused": status != 503, "broken": broken}
    return page(request, "books/categories.html", status, shown)


_PERHAPS_IMPORTED = Sentence(
    "历史库联系不上，分类可能没有导入；恢复后请重新选择文件再导入一次，重复导入同一文件没有影响",
    "the history database cannot be reached, perhaps nothing was imported; choose the file again later: twice does no harm",
)
