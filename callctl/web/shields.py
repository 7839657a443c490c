"""What surrounds every answer: a request id, security headers, and no unsafe request from another site's page."""

import secrets
import traceback
from collections.abc import Awaitable, Callable, Iterable

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from callctl.bookkeeping import SHEET_MOST
from callctl.core.acts import Sentence
from callctl.log import mask_text
from callctl.web.problems import Problem, as_json
from callctl.web.words import LANGUAGE_COOKIE, Words, chosen_language

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
BODY_MOST = 256 * 1024  # Bytes; the longest script with its sources is a tenth of that.
SHEET_BODY_MOST = SHEET_MOST + 64 * 1024  # Of the doors that take a list of categories, with the form around it.

AnswerFault = Callable[[Request, Exception], Awaitable[Response]]

log = structlog.get_logger()


def content_policy(connects: Iterable[str]) -> str:
    """Content-Security-Policy: nothing from elsewhere, no script in the page. `connects`: also a softphone's wss://."""
    reach = " ".join(("'self'", *connects))
    return (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
        f"connect-src {reach}; media-src 'self' blob:; manifest-src 'self'; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    )


class Shields:
    """ASGI middleware, outermost. `answer_fault` makes the answer to a bug of ours, which must not end a connection."""

    def __init__(self, app: ASGIApp, answer_fault: AnswerFault, connects: Iterable[str] = ()) -> None:
        self._app = app
        self._answer_fault = answer_fault
        self._headers = {
            "Content-Security-Policy": content_policy(connects),
            "X-Content-Type-Options": "nosniff",
            "X-Frame-Options": "DENY",
            "Referrer-Policy": "same-origin",
            "Cross-Origin-Opener-Policy": "same-origin",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Permissions-Policy": "camera=(), geolocation=(), microphone=(self)",
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Surround one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = secrets.token_hex(8)
        scope.setdefault("state", {})["request"] = request
        headers = Headers(scope=scope)

        begun = False

        async def send_on(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                out = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    out.setdefault(name, value)
                out["X-Request-Id"] = request
                if not scope["path"].startswith("/static/"):
                    out.setdefault("Cache-Control", "no-store")
            await send(message)

        refusal = None
        if foreign(scope["method"], headers):
            log.warning("request of another site refused", method=scope["method"], path=scope["path"][:200])
            refusal = Problem(403, "foreign_site", FOREIGN)
        elif "\0" in scope["path"] or b"%00" in scope["query_string"]:
            refusal = Problem(404, "not_found", NAMES_NOTHING)
        if refusal:
            # The cookie parser is the request's; here only the language is wanted.
            chosen = "en" if f"{LANGUAGE_COOKIE}=en" in headers.get("cookie", "") else ""
            words = Words(chosen_language(chosen, headers.get("accept-language", "")))
            await as_json(refusal, words, request)(scope, receive, send_on)
            return
        try:
            await self._app(scope, receive, send_on)
        except Exception as fault:
            trace = mask_text("".join(traceback.format_exception(fault)))
            log.error("a request met a bug", path=scope["path"][:200], request=request, trace=trace)
            if not begun:
                answer = await self._answer_fault(Request(scope), fault)
                await answer(scope, receive, send_on)


# PostgreSQL takes no NUL in a text: it would look as if the database were away.
NAMES_NOTHING = Sentence("地址里有空字符，没有这样的页面或对象", "no page or thing has a NUL in its name")
FOREIGN = Sentence(
    "请求来自别的网站，已拒绝；请从本页面操作",
    "the request came from another site's page and was refused; use this site's own pages",
)


def foreign(method: str, headers: Headers) -> bool:
    """Whether this may be another site's page acting with our person's cookie (CSRF).

    A browser says itself where a request comes from (Sec-Fetch-Site; older ones: Origin), and pages cannot change
    that. Without a cookie there is nothing to abuse but signing somebody in as somebody else; so only machines, who
    name their token in a header no foreign page can set, pass without.
    """
    if method in SAFE or "authorization" in headers:
        return False
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site not in ("same-origin", "none")
    origin = headers.get("origin")
    return origin is None or origin.partition("://")[2] != headers.get("host")
