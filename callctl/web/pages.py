"""Pages for people: Jinja2 with every text escaped, every missing name an error, and the words of the person's language."""

from collections.abc import Mapping
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse

from callctl.web.gate import house_of, words_of
from callctl.web.shown.said import forget_said, take_said
from callctl.web.shown.show import Show, theme_of


@cache
def templates() -> Environment:
    """The templates, loaded once."""
    return Environment(
        loader=PackageLoader("callctl.web", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )


def page(request: Request, template: str, status: int = 200, context: Mapping[str, Any] | None = None) -> HTMLResponse:
    """The page; one that answers a press names in `context` the `path` where it is found again, if not at its own.

    Every template has: `_` the words, `language`, `caller` (None: not signed in), `may(right, city="")`,
    `province`, `now`, `request_id`, `show` (formats, navigation, assets), and what `context` adds. What came of the act
    before (said_cookie) is shown once.
    """
    words, house = words_of(request), house_of(request)
    caller = getattr(request.state, "caller", None)

    def may(right: str, city: str = "") -> bool:
        return caller is not None and caller.actor.may(right, city)

    piece = "hx-request" in request.headers  # Drawn into a page that is open: it has no place to say anything.
    said = None if piece else take_said(request.cookies)
    show = Show(words, theme_of(request.cookies), said)
    text = (
        templates()
        .get_template(template)
        .render(
            {
                "_": words,
                "language": words.language,
                "caller": caller,
                "may": may,
                "province": house.province,
                "now": house.now(),
                "request_id": request.state.request,
                "show": show,
                "path": request.url.path,
                **(context or {}),
            }
        )
    )
    answer = HTMLResponse(text, status, {"Content-Language": words.language})
    if said is not None:
        forget_said(answer)
    return answer
