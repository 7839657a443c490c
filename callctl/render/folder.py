"""Puts a rendered city into a folder: all of it or nothing, and never over what somebody else put there."""

import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from callctl.render.city import SECRET_FILES
from callctl.render.values import RenderError

MARK = ".written-by-callctl"  # Lists what is ours, one file name a line.


def write_city(files: Mapping[str, str], out: Path) -> None:
    """Write the files to `out`, which must be absent, empty, or all ours. Raises RenderError.

    Files get mode 0640, those with passwords 0600. Everything is first written beside `out` and then renamed, so a
    full disk or a crash leaves the old state.
    """
    out = Path(os.path.abspath(out))  # Not resolve(): a link is replaced where it points, never followed twice.
    if out.is_symlink():
        out = out.resolve()
    _refuse_foreign(out)
    fresh: Path | None = None
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
        for name, content in sorted(files.items()):
            (fresh / name).parent.mkdir(mode=0o750, parents=True, exist_ok=True)
            _write(fresh / name, content, 0o600 if name in SECRET_FILES else 0o640)
        _write(fresh / MARK, "".join(f"{name}\n" for name in sorted(files)), 0o640)
        fresh.chmod(0o750)
        _put_in_place(fresh, out)
    except OSError as error:
        raise RenderError(f"{out}: cannot write: {error.strerror or error}") from error
    finally:
        if fresh is not None:
            shutil.rmtree(fresh, ignore_errors=True)


def _refuse_foreign(out: Path) -> None:
    if not out.exists():
        return
    if not out.is_dir():
        raise RenderError(f"{out}: is a file: name a folder")
    try:
        mark = out / MARK
        ours = {MARK, *mark.read_text(encoding="utf-8").splitlines()} if mark.is_file() else set()
        ours |= {str(parent) for name in ours for parent in Path(name).parents}
        foreign = sorted(name for entry in out.rglob("*") if (name := str(entry.relative_to(out))) not in ours)
    except OSError as error:
        raise RenderError(f"{out}: cannot read: {error.strerror or error}") from error
    if foreign:
        some = ", ".join(foreign[:3]) + (" …" if len(foreign) > 3 else "")
        raise RenderError(f"{out}: holds files callctl did not write ({some}): name another folder, then copy")


def _write(target: Path, content: str, mode: int) -> None:
    # The mode from the first moment on: a password must not be readable even for a moment.
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as file:
        os.fchmod(descriptor, mode)  # Whatever the umask says.
        file.write(content)
        file.flush()
        os.fsync(descriptor)


def _put_in_place(fresh: Path, out: Path) -> None:
    if not out.exists():
        fresh.rename(out)
        return
    old = Path(tempfile.mkdtemp(prefix=f".{out.name}.old.", dir=out.parent))
    out.rename(old / "was")
    try:
        fresh.rename(out)
    except OSError:
        (old / "was").rename(out)
        raise
    finally:
        shutil.rmtree(old, ignore_errors=True)
