"""The words of the command line, Chinese first: what a column, a state or a line is called in either language."""

import os
from collections.abc import Mapping

from callctl.core.acts import Sentence
from callctl.said import ACTS

# By key: Chinese, English. The words are docs/GLOSSARY.md's.
WORDS = {
    "acting": ("支援中", "acting"),
    "age": ("画面时间", "picture age"),
    "agent": ("工号", "agent"),
    "all_cities": ("全省", "province"),
    "assistance": ("支援", "assistance"),
    "before_after": ("变更", "change"),
    "busy": ("通话", "talking"),
    "city": ("城市", "city"),
    "dedicated": ("专席", "dedicated"),
    "default": ("默认", "default"),
    "event": ("启动令", "event"),
    "everybody": ("各市按配额", "everybody, by quota"),
    "free": ("空闲", "free"),
    "lend": ("可借", "may be lent"),
    "lent_in": ("借入", "lent in"),
    "lent_out": ("借出", "lent out"),
    "lent_to": ("借给", "lent to"),
    "longest_wait": ("最长等待", "longest wait"),
    "name": ("姓名", "name"),
    "no": ("否", "no"),
    "no_audit": ("还没有审计记录", "nothing in the audit yet"),
    "no_event": ("没有启动令", "no assistance event"),
    "off": ("关", "off"),
    "offline": ("离线", "offline"),
    "on": ("待命", "standing by"),
    "paused": ("示忙", "not ready"),
    "priority": ("优先级", "priority"),
    "quota": ("配额", "quota"),
    "reason": ("事由", "reason"),
    "ringing": ("振铃", "ringing"),
    "seat": ("座席", "seat"),
    "seats": ("座席数", "seats"),
    "shared": ("共用", "shared"),
    "skills": ("技能", "skills"),
    "started": ("启动时间", "started"),
    "state": ("状态", "state"),
    "stopped": (
        "全部停止有效：不借调任何座席；恢复用 callctl resume",
        "STOPPED: nothing is lent; the way back is `callctl resume`",
    ),
    "switch": ("开关", "switch"),
    "title": ("标题", "title"),
    "trunks": ("中继在用", "trunks in use"),
    "unhelped": ("未支援原因", "why not helped"),
    "unknown": ("未知", "unknown"),
    "waiting": ("等待", "waiting"),
    "what": ("操作", "act"),
    "when": ("时间", "when"),
    "where": ("何处", "where"),
    "who": ("何人", "who"),
    "wrap_up": ("整理", "wrap-up"),
    "yes": ("是", "yes"),
}


def english(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether this person reads English: CALLCTL_LANG, else the locale. Everything but en… is Chinese."""
    chosen = next(
        (environment[name] for name in ("CALLCTL_LANG", "LC_ALL", "LC_MESSAGES", "LANG") if environment.get(name)), ""
    )
    return chosen.lower().startswith("en")


def say(zh: str, en: str) -> str:
    """The text in this person's language."""
    return en if english() else zh


def told(sentence: Sentence) -> str:
    """The sentence in this person's language."""
    return say(sentence.zh, sentence.en)


def word(key: str) -> str:
    """The word in this person's language; a key nobody knows is its own word (a newer controller may send one)."""
    zh, en = WORDS.get(key) or ACTS.get(key) or (key, key)
    return say(zh, en)
