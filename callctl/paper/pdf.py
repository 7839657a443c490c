"""Prints a page on A4 with the machine's own Chromium, fonts embedded; without network, without JavaScript's help."""

import asyncio
import contextlib
import os
import shutil
import signal
import tempfile
from pathlib import Path

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PRINT_S = 60.0  # A page takes two seconds; a busy machine may take ten times as long.


class PrintFailed(Exception):
    """The PDF could not be made; str() says why and how to mend it."""


def browser() -> str:
    """The browser to print with: CALLCTL_CHROMIUM, or one that is installed. Raises PrintFailed."""
    named = os.environ.get("CALLCTL_CHROMIUM", "")
    found = shutil.which(named) if named else next((path for name in PROGRAMS if (path := shutil.which(name))), None)
    if found is None:
        raise PrintFailed(
            "no Chromium to print with: apt-get install chromium fonts-noto-cjk, or name one in CALLCTL_CHROMIUM"
        )
    return found


async def print_pdf(html: str, out: Path) -> None:
    """Write `out`; it appears whole or not at all. Raises PrintFailed, OSError."""
    program = browser()
    with tempfile.TemporaryDirectory(prefix="callctl-print-") as place:
        page, made = Path(place) / "page.html", Path(place) / "page.pdf"
        page.write_text(html, encoding="utf-8")
        words = [
            program,
            "--headless=new",
            "--disable-gpu",
            "--no-first-run",
            "--disable-extensions",
            "--no-pdf-header-footer",
            f"--user-data-dir={place}/profile",
            f"--print-to-pdf={made}",
            page.as_uri(),
        ]
        if os.geteuid() == 0:
            words.insert(1, "--no-sandbox")  # Chromium refuses to run as root with it; the page is our own text.
        await _run(words)
        if not made.is_file() or not made.read_bytes().startswith(b"%PDF"):
            raise PrintFailed(
                f"{program} made no PDF; try it by hand: {program} --headless --print-to-pdf=x.pdf about:blank"
            )
        part = out.with_name(out.name + ".part")
        shutil.copyfile(made, part)
        os.replace(part, out)


async def _run(words: list[str]) -> None:
    """Run to the end, or end it: Chromium is many processes, and they go together."""
    quiet = asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(*words, stdin=quiet, stdout=quiet, stderr=quiet, start_new_session=True)
    try:
        async with asyncio.timeout(PRINT_S):
            await process.wait()
    except TimeoutError:
        raise PrintFailed(f"{words[0]} did not finish within {PRINT_S:g} s") from None
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
