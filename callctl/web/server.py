"""Runs the console: uvicorn on a loopback address, a TLS proxy of the site in front of it."""

import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import structlog
import uvicorn

from callctl.app import NotRunnable, open_house
from callctl.core.model import Province
from callctl.settings import Settings
from callctl.web.site import make_site

KEEP_ALIVE_S = 75  # Longer than common proxies keep a connection, so that it is the proxy who ends it.
CONNECTIONS_MOST = 4000  # A hall has hundreds of pages open; each is one stream and now and then a request.
STOP_S = 5  # Streams never end by themselves; who is told to stop does not wait for them.


class _Server(uvicorn.Server):
    """Uvicorn, which would end the process by the signal again: to be told to stop is no failure."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """The signals are ours (run_site)."""
        yield

    def stop(self) -> None:
        """Finish what is being answered, then end."""
        self.should_exit = True


log = structlog.get_logger()


async def run_site(settings: Settings, province: Province, now: Callable[[], float]) -> None:
    """Serve until SIGTERM or SIGINT. Raises SettingsError, NotRunnable, OSError where the port is taken."""
    host, port = settings.web_place
    connects = settings.web_connects
    async with open_house(settings, province, now) as house:
        config = uvicorn.Config(
            make_site(house, connects),
            host=host,
            port=port,
            access_log=False,  # Paths may name people; the audit says who did what.
            log_config=None,
            server_header=False,
            date_header=True,
            proxy_headers=bool(settings.web_proxies),
            forwarded_allow_ips=list(settings.web_proxies),
            timeout_keep_alive=KEEP_ALIVE_S,
            limit_concurrency=CONNECTIONS_MOST,
            timeout_graceful_shutdown=STOP_S,
            lifespan="on",
        )
        log.info("console at", address=f"http://{host}:{port}/")
        server = _Server(config)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, server.stop)
        await server.serve()
    if not server.started:
        raise NotRunnable(f"the console cannot listen at {host}:{port}; is another one running? (CALLCTL_WEB_PORT)")
