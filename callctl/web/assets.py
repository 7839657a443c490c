"""The built scripts and styles under /static: read once, packed once, kept by browsers as long as they are the same."""

import gzip
from importlib import resources

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from callctl.web.shown.show import manifest

KINDS = {"js": "text/javascript; charset=utf-8", "css": "text/css; charset=utf-8", "svg": "image/svg+xml"}
FOR_GOOD = "public, max-age=31536000, immutable"  # The address changes with the content (Show.asset).
SHORTLY = "public, max-age=60"


class Assets:
    """An ASGI application that knows the files of the manifest and nothing else: no folder is ever looked into."""

    def __init__(self) -> None:
        static = resources.files("callctl.web").joinpath("static")
        self._plain = {name: static.joinpath(name).read_bytes() for name in manifest()}
        self._packed = {name: gzip.compress(content, 9, mtime=0) for name, content in self._plain.items()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        name = scope["path"].rpartition("/static/")[2]
        if name not in self._plain:
            await PlainTextResponse("not found", 404)(scope, receive, send)
            return
        headers = {
            "Cache-Control": FOR_GOOD if scope["query_string"].startswith(b"v=") else SHORTLY,
            "Vary": "Accept-Encoding",
            "ETag": f'"{manifest()[name]["integrity"][7:27]}"',
        }
        packs = "gzip" in Headers(scope=scope).get("accept-encoding", "")
        if packs:
            headers["Content-Encoding"] = "gzip"
        content = (self._packed if packs else self._plain)[name]
        await Response(content, headers=headers, media_type=KINDS[name.rpartition(".")[2]])(scope, receive, send)
