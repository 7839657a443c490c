"""How the console's pages put things: times, shares, cities' names, assets with their checksums. One Show a page."""

import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib import resources
from typing import Any

from callctl.core.day import WITHIN_S, ZONE_S
from callctl.core.in_force import entered
from callctl.core.model import Lending, Province, Seat
from callctl.core.wishes import AssistanceEvent
from callctl.rights import Role
from callctl.said import ACTS
from callctl.web.shown.board import Alarm, Board, Count, Tile, TrunkLoad
from callctl.web.shown.flows import Arc, arcs
from callctl.web.shown.said import Said
from callctl.web.words import EN, Words

THEME_COOKIE = "callctl_theme"
THEMES = ("light", "dark")
BUSIEST = 8  # Trunks listed; the rest are in the sum.

SEAT_WORDS: Sequence[tuple[str, str]] = (
    ("free", "空闲"),
    ("ringing", "振铃"),
    ("busy", "通话"),
    ("wrap_up", "整理"),
    ("paused", "示忙"),
    ("offline", "离线"),
)

LENDING_WORDS = {Lending.DEDICATED: "专席", Lending.SHARED: "共用座席", Lending.NO: "不外借"}
ROLE_WORDS: Mapping[str, str] = {
    Role.DISPATCHER.value: "省级调度员",
    Role.SUPERVISOR.value: "值班长",
    Role.EDITOR.value: "口径编辑",
    Role.APPROVER.value: "口径审核",
    Role.LEADER.value: "班长",
    Role.AGENT.value: "话务员",
    Role.INSPECTOR.value: "质检员",
    Role.REPORTER.value: "统计员",
    Role.SYSTEM_ADMIN.value: "系统管理员",
    Role.SECURITY_ADMIN.value: "安全管理员",
    Role.AUDITOR.value: "审计管理员",
}

CHINESE = "零一二三四五六七八九"
VALUE_WORDS: Mapping[str, str] = {
    "on": "开",
    "off": "关",
    "stopped": "已停止",
    "running": "运行",
    "default": "默认值",
}
ALARM_WORDS: Mapping[str, str] = {
    "registry_silent": "登记库（Redis）联系不上：画面未知，各市照常接听自己的来电",
    "no_controller": "控制器未运行：还没有画面，各市照常接听自己的来电",
    "controller_silent": "控制器已停 {seconds}：画面未知，各市照常接听自己的来电",
    "stopped": "已全部停止支援：不借调任何座席，由省级调度员恢复",
    "registry_lost": "控制器联系不上登记库：暂不新增借调，已有支援照常",
    "history_lost": "历史库联系不上：今日数字和走势未知，支援暂不能开启和调整；接听、已有支援和“全部停止”照常",
    "city_lost": "{city}话务平台失联，状态未知{why}",
    "city_late": "{city}的数据是 {seconds} 前的",
    "over_threshold": "{city}有人久等：{count} 人排队，最长 {seconds}，支援未生效",
    "not_helped": "{city} {count} 个来电未获支援：{why}",
    "trunk_down": "中继中断：{city}—{other}",
    "trunk_high": "中继将满：{city}—{other} 在用 {count}/{most}",
}


@dataclass(frozen=True, slots=True)
class Place:
    """An entry of the navigation: who has the right sees it."""

    href: str
    name: str
    right: str


PLACES = (
    Place("/board", "话务大屏", "see"),
    Place("/assistance", "支援调度", "see timeline"),
    Place("/desk", "座席", "desk"),
    Place("/team", "班组", "see seats"),
    Place("/scripts", "统一口径", "see scripts"),
    Place("/books", "记录", "see books"),
    Place("/accounts", "账号", "see accounts"),
    Place("/tokens", "机器令牌", "see accounts"),
    Place("/webhooks", "事件推送", "webhooks"),
    Place("/audit", "审计", "see audit"),
)


def theme_of(cookies: Mapping[str, str]) -> str:
    """What this browser's person has chosen: light, dark, or "" for what the machine says."""
    chosen = cookies.get(THEME_COOKIE, "")
    return chosen if chosen in THEMES else ""


@cache
def manifest() -> Mapping[str, Mapping[str, Any]]:
    """Checksum and size of every built asset, by name (made by `make assets`)."""
    text = resources.files("callctl.web").joinpath("static/manifest.json").read_text(encoding="utf-8")
    found: dict[str, Mapping[str, Any]] = json.loads(text)
    return found


@dataclass(frozen=True, slots=True)
class Show:
    """Formats in one language. Everything it returns is text for a template, which escapes it."""

    words: Words
    theme: str = ""  # "", light, dark.
    said: Said | None = None
    seat_words: Sequence[tuple[str, str]] = field(default=SEAT_WORDS)

    # ------------------------------------------------------------------------------------- the frame
    def places(self, may: Callable[[str], bool]) -> list[Place]:
        """The navigation of a person."""
        return [place for place in PLACES if may(place.right)]

    def here(self, href: str, path: str) -> bool:
        """Whether the page at `path` belongs to this entry."""
        return path == href or path.startswith(f"{href}/") or (href == "/team" and "/team" in path)

    def asset(self, name: str) -> str:
        """The address of an asset; it changes with the content, so that a browser may keep it for good."""
        return f"/static/{name}?v={self.integrity(name)[7:19].replace('/', '_').replace('+', '-')}"

    def integrity(self, name: str) -> str:
        """Its checksum, for the browser to hold it against."""
        return str(manifest()[name]["integrity"])

    def request(self) -> str:
        """A fresh id for one act: pressed twice, it is done once."""
        return secrets.token_hex(8)

    # ------------------------------------------------------------------------------------- figures
    def time(self, at: float | None) -> str:
        """Beijing time of the day."""
        return self.words("未知") if at is None else _beijing(at).strftime("%H:%M:%S")

    def moment(self, at: float | None) -> str:
        """Beijing date and time."""
        return self.words("未知") if at is None else _beijing(at).strftime("%Y-%m-%d %H:%M:%S")

    def duration(self, seconds: float | None) -> str:
        """8秒, 3分20秒, 2小时05分."""
        if seconds is None:
            return self.words("未知")
        whole = int(seconds)
        if whole < 60:
            return self.words("{s}秒", s=whole)
        if whole < 3600:
            return self.words("{m}分{s:02d}秒", m=whole // 60, s=whole % 60)
        return self.words("{h}小时{m:02d}分", h=whole // 3600, m=whole % 3600 // 60)

    def percent(self, share: float | None) -> str:
        """A share as per cent with one digit after the point; never 100 where something is missing."""
        if share is None:
            return self.words("未知")
        rounded = round(share * 100, 1)
        return f"{99.9 if rounded == 100 and share < 1 else rounded:g}%"

    def signed(self, points: float) -> str:
        """+3.2 or −1.0."""
        return f"{'+' if points > 0 else '−' if points < 0 else '±'}{abs(points):.1f}"

    def points(self, change: Sequence[float] | None) -> str:
        """A change of a share with half its interval, in points: +3.2 ±0.8."""
        return self.words("未知") if change is None else f"{self.signed(change[0] * 100)} ±{abs(change[1]) * 100:.1f}"

    def seconds(self, change: Sequence[float] | None) -> str:
        """A change of a time with half its interval: −40.5 ±6.1."""
        return self.words("未知") if change is None else self.words("{s}秒", s=f"{self.signed(change[0])} ±{change[1]:.1f}")

    def rate(self, today: Count | None) -> str:
        """接通率 with its denominator."""
        if today is None:
            return self.words("未知")
        if not today.asked:
            return self.words("今日无来电")
        return f"{self.percent(today.share)} ({today.answered}/{today.asked})"

    def rates(self, today: Count | None) -> str:
        """The shares answered within 15, 20 and 30 s, of all who asked."""
        if today is None:
            return self.words("未知")
        if not today.asked:
            return "-"
        return "/".join(self.percent(today.share_within(seconds)) for seconds in WITHIN_S)

    def wait(self, tile: Tile) -> str:
        """The longest wait; a dash where nobody waits."""
        return "-" if tile.waiting == 0 else self.duration(tile.longest_wait_s)

    # ------------------------------------------------------------------------------------- people and seats
    def role(self, role: str) -> str:
        """A role's name."""
        return self.words(ROLE_WORDS.get(role, role))

    def act(self, what: str) -> str:
        """What was done, as the audit names it."""
        zh, en = ACTS.get(what, (what, what))
        return zh if self.zh else en

    def wave(self, number: int) -> str:
        """首批, 第二批, …"""
        return self.words("首批") if number == 1 else self.words("第{n}批", n=CHINESE[number] if self.zh else number)

    def asked(self, event: AssistanceEvent, supporting: str) -> str:
        """Seats an event asks of a supporting city now, and with the waves that are still to come."""
        asked = entered(event)
        if asked is None:
            return self.words("按配额")
        now, planned = asked.get(supporting, 0), sum(wave.seats.get(supporting, 0) for wave in event.waves)
        return self.words("{n}（各批次共 {m}）", n=now, m=planned) if planned > now else str(now)

    def value(self, shown: str) -> str:
        """A value of the audit: on, off, stopped, a figure."""
        return self.words(VALUE_WORDS[shown]) if shown in VALUE_WORDS else shown or "—"

    @property
    def zh(self) -> bool:
        """Whether this person reads Chinese."""
        return self.words.language != EN

    @property
    def comma(self) -> str:
        """Between the parts of an enumeration."""
        return "、" if self.zh else ", "

    def lending(self, seat: Seat) -> str:
        """专席, 共用座席 or 不外借."""
        return self.words(LENDING_WORDS[seat.lend])

    def seat_state(self, state: str | None) -> str:
        """A seat's state."""
        return self.words(dict(SEAT_WORDS).get(state or "", "未知"))

    # ------------------------------------------------------------------------------------- the board
    def city(self, province: Province, code: str) -> str:
        """A city's name in this language."""
        city = province.cities.get(code)
        return code.capitalize() if city is None or self.words.language == EN else city.name_zh

    def busiest(self, trunks: Sequence[TrunkLoad]) -> list[TrunkLoad]:
        """The trunks worth a line: down or in use."""
        return [trunk for trunk in trunks if trunk.in_use or trunk.up is False][:BUSIEST]

    def arcs(self, board: Board) -> Sequence[Arc]:
        """The flows, drawn."""
        return arcs(board.flows, {tile.code: tile.place for tile in board.tiles})

    def alarm(self, province: Province, alarm: Alarm) -> str:
        """An alarm in a sentence."""
        why = alarm.en if self.words.language == EN else alarm.zh
        if alarm.kind == "city_lost":
            why = f" ({why})" if why else ""
        return self.words(
            ALARM_WORDS[alarm.kind],
            city=self.city(province, alarm.city) if alarm.city else "",
            other=self.city(province, alarm.other) if alarm.other else "",
            count=alarm.count if alarm.count is not None else self.words("未知"),
            most=alarm.most,
            seconds=self.duration(alarm.seconds),
            why=why,
        )


def _beijing(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC) + timedelta(seconds=ZONE_S)
