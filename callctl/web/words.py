"""The console's two languages: texts are written in Chinese where they stand, and looked up here for English.

A catalogue is a TOML table from the Chinese text to the English one (words/*.toml); tests find texts without English.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources

from callctl.core.acts import Sentence

ZH = "zh"
EN = "en"
LANGUAGE_COOKIE = "callctl_language"


class WordMissing(KeyError):
    """A text without English: add it to callctl/web/words/."""


@cache
def catalogue() -> Mapping[str, str]:
    """Chinese to English, of every file in words/."""
    found: dict[str, str] = {}
    for file in sorted(resources.files("callctl.web").joinpath("words").iterdir(), key=lambda file: file.name):
        if file.name.endswith(".toml"):
            found.update(tomllib.loads(file.read_text(encoding="utf-8"))["en"])
    return found


@dataclass(frozen=True, slots=True)
class Words:
    """The texts of one language: `words("开启支援")`, `words("{n} 个座席", n=3)`."""

    language: str

    def __call__(self, text: str, **values: object) -> str:
        """The text in this language, its {places} filled. Raises WordMissing."""
        if self.language == EN:
            found = catalogue().get(text)
            if found is None:
                raise WordMissing(text)
            text = found
        return text.format(**values) if values else text

    def told(self, sentence: Sentence) -> str:
        """What the desk said."""
        return sentence.en if self.language == EN else sentence.zh


def chosen_language(asked: str, accepted: str) -> str:
    """Chinese unless English is preferred: by the person's choice (`asked`, a cookie), else by Accept-Language."""
    if asked in (ZH, EN):
        return asked
    best, best_q = ZH, 0.0
    for part in accepted[:500].split(","):
        tag, _, rest = part.strip().partition(";")
        name = tag.split("-")[0].lower()
        if name not in (ZH, EN):
            continue
        try:
            quality = float(rest.partition("q=")[2] or "1")
        except ValueError:
            continue
        if quality > best_q:
            best, best_q = name, quality
    return best
