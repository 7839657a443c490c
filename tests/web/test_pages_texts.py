"""Every text of the pages has its English, and every page can be drawn in both languages."""

import base64
import hashlib
import re
from pathlib import Path

import pytest

from callctl.core.notice import KINDS
from callctl.web.pages import templates
from callctl.web.shown.show import (
    ALARM_WORDS,
    LENDING_WORDS,
    PLACES,
    ROLE_WORDS,
    SEAT_WORDS,
    VALUE_WORDS,
    manifest,
)
from callctl.web.views import books, calls, tokens, webhooks
from callctl.web.words import catalogue

WEB = Path(__file__).resolve().parent.parent.parent / "callctl" / "web"
QUOTED = r"""\(\s*(["'])([^"'\n]*)\1"""
CALL = re.compile(r"(?<![\w.])(?:_|words|self\.words)" + QUOTED)
BY_THEMSELVES = re.compile(r"\{#.*?#\}|(?<![\w.])_" + QUOTED + r"|\{% for [^%]*%\}|多援一|>中文<", re.DOTALL)
TABLES = (
    VALUE_WORDS.values(),
    KINDS,
    ALARM_WORDS.values(),
    LENDING_WORDS.values(),
    ROLE_WORDS.values(),
    dict(SEAT_WORDS).values(),
    *(table.values() for table in books.WORDS.values()),
    books.PART_WORDS.values(),
    calls.FATE_WORDS.values(),
    tokens.RIGHT_WORDS.values(),
    webhooks.KIND_WORDS.values(),
    webhooks.STATE_WORDS.values(),
)


def texts() -> set[str]:
    files = [*WEB.glob("templates/**/*.html"), *WEB.glob("**/*.py")]
    files = [file for file in files if file.name != "words.py"]
    found = {text for file in files for _, text in CALL.findall(file.read_text(encoding="utf-8"))}
    return found | {place.name for place in PLACES} | {text for table in TABLES for text in table}


def test_every_text_of_the_pages_has_its_english() -> None:
    assert sorted(text for text in texts() if re.search("[\u4e00-\u9fff]", text) and text not in catalogue()) == []


@pytest.mark.parametrize("name", sorted(templates().list_templates()))
def test_a_template_has_no_chinese_that_an_english_page_would_show(name: str) -> None:
    """Neither words nor signs: `、` between cities was one. U+3000 is but a wide space."""
    text = BY_THEMSELVES.sub("", (WEB / "templates" / name).read_text(encoding="utf-8"))
    assert [
        line.strip() for line in text.splitlines() if re.search("[\u3001-\u303f\u4e00-\u9fff\uff00-\uffef]", line)
    ] == []


def test_a_translation_has_the_same_places_to_fill() -> None:
    wrong = [text for text, english in catalogue().items() if _places(text) != _places(english)]
    assert wrong == []


def _places(text: str) -> set[str]:
    return set(re.findall(r"\{(\w+)", text))


@pytest.mark.parametrize("name", sorted(templates().list_templates()))
def test_a_template_holds_no_script_and_no_style_of_its_own(name: str) -> None:
    """The content policy would refuse them, silently."""
    text = (WEB / "templates" / name).read_text(encoding="utf-8")
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=|<script(?![^>]*\ssrc=)|javascript:", text, re.IGNORECASE)
    assert not re.search(r"(?:src|href)=[\"'](?:https?:)?//", text), "nothing comes from elsewhere"


@pytest.mark.parametrize("name", sorted(manifest()))
def test_an_asset_has_the_checksum_of_the_manifest(name: str) -> None:
    content = (WEB / "static" / name).read_bytes()
    assert manifest()[name]["integrity"] == f"sha384-{base64.b64encode(hashlib.sha384(content).digest()).decode()}"
    assert manifest()[name]["bytes"] == len(content)


def test_no_asset_is_there_that_the_manifest_does_not_know() -> None:
    there = {str(file.relative_to(WEB / "static")) for file in (WEB / "static").rglob("*") if file.is_file()}
    assert {name for name in there if not name.startswith("licences/")} == {*manifest(), "manifest.json"}
    assert len([name for name in there if name.startswith("licences/")]) >= 8


def test_the_first_load_of_the_wallboard_is_small() -> None:
    first = ("console.js", "console.css", "wallboard.js", "favicon.svg")
    assert sum(int(manifest()[name]["compressed_bytes"]) for name in first) < 500_000
