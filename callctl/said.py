"""What an act is called and what it changes, in words: for the person who pressed, and for the audit."""

import json
from collections.abc import Callable
from typing import Any

from callctl.core.acts import Act, Sentence
from callctl.core.model import Province
from callctl.core.wishes import AssistanceEvent, Wishes

_SAID = {
    "event start": ("{name}启动令生效", "assistance event for {city} is running"),
    "event end": ("{name}启动令已终止", "assistance event for {city} has ended"),
    "switch on": ("{name}支援已开启", "assistance for {city} is on"),
    "switch off": ("{name}支援已关闭", "assistance for {city} is off"),
    "quota": ("{name}配额为{after_zh}", "quota of {city} is {after}"),
    "threshold": ("{name}阈值为{after_zh}", "threshold of {city} is {after}"),
    "reserve": ("{name}保留座席为{after_zh}", "reserve of {city} is {after}"),
    "confirm": ("{name}确认支援座席：{after_zh}", "seats confirmed by {city}: {after}"),
    "wave enter": ("{name}支援批次入场", "a wave for {city} has entered"),
    "wave leave": ("{name}支援批次离场", "a wave for {city} has left"),
    "must read on": ("{name}来电只派给已读必读口径的话务员", "calls of {city} go to agents who have read its scripts"),
    "must read off": (
        "{name}来电也派给未读口径的话务员",
        "calls of {city} also go to agents who have not read its scripts",
    ),
    "stop all": (
        "全部停止：不再借调，通话中的不受影响；恢复用 callctl resume",
        "all stopped: nothing is lent, calls in progress go on; the way back is `callctl resume`",
    ),
    "resume": ("已恢复", "running again"),
}


# What the audit calls an act, in Chinese and English.
ACTS = {
    "event start": ("启动/调整", "event start"),
    "event end": ("终止", "event end"),
    "switch on": ("开启支援", "switch on"),
    "switch off": ("关闭支援", "switch off"),
    "quota": ("配额", "quota"),
    "threshold": ("阈值", "threshold"),
    "reserve": ("保留座席", "reserve"),
    "confirm": ("确认座席", "seats confirmed"),
    "wave enter": ("批次入场", "wave enters"),
    "wave leave": ("批次离场", "wave leaves"),
    "must read on": ("必读才派单", "reading required"),
    "must read off": ("未读也派单", "reading waived"),
    "stop all": ("全部停止", "stop all"),
    "resume": ("恢复", "resume"),
    "withdrawn": ("撤回(未生效)", "withdrawn (not in effect)"),
    "sign in": ("登录", "sign in"),
    "sign out": ("退出登录", "sign out"),
    "sign in refused": ("登录被拒", "sign in refused"),
    "sign in locked": ("登录锁定", "sign in locked"),
    "password refused": ("密码不对", "wrong password"),
    "password set": ("设置密码", "password set"),
    "codes on": ("启用动态码", "one-time codes on"),
    "codes off": ("停用动态码", "one-time codes off"),
    "account create": ("新建账号", "account created"),
    "account change": ("修改账号", "account changed"),
    "account invite": ("邀请", "account invited"),
    "visits end": ("强制退出", "signed out by force"),
    "token create": ("新建令牌", "token created"),
    "token end": ("停用令牌", "token ended"),
    "seat in": ("签入", "signed in at a seat"),
    "seat out": ("签出", "signed out of a seat"),
    "force ready": ("强制示闲", "made ready"),
    "force not ready": ("强制示忙", "made not ready"),
    "force out": ("强制签出", "signed out of a seat by force"),
    "listen": ("监听", "listening permitted"),
    "whisper": ("耳语", "whispering permitted"),
    "barge": ("强插", "barging in permitted"),
    "number seen": ("查看完整号码", "number seen in full"),
    "number sought": ("按号码查找通话", "calls of a number looked for"),
    "export": ("导出", "export"),
    "script write": ("编写口径", "script written"),
    "script publish": ("发布口径", "script published"),
    "script reject": ("退回口径", "script sent back"),
    "script expire": ("口径失效", "script withdrawn"),
    "webhook create": ("新建推送", "webhook created"),
    "webhook again": ("重试推送", "webhook tried again"),
    "webhook end": ("停用推送", "webhook ended"),
}


def sentence(province: Province, act: Act, wished: Wishes) -> Sentence:
    """What has happened."""
    name = province.cities[act.city].name_zh if act.city else ""
    zh, en = _SAID[act.what]
    after = shown_wish(wished, act.what, act.city)
    return Sentence(
        zh.format(name=name, after_zh=after.replace("default", "默认值")), en.format(city=act.city, after=after)
    )


def shown_wish(wishes: Wishes, what: str, city: str) -> str:
    """The part of the wishes an act is about, as the audit keeps it in `before` and `after`."""
    return SHOWN[what](wishes, city)


def _stop(wishes: Wishes, city: str) -> str:
    return "stopped" if wishes.stopped else "running"


def _switch(wishes: Wishes, city: str) -> str:
    event = wishes.events.get(city)
    return "off" if event is None or not event.switched_on else "on"


def _event(wishes: Wishes, city: str) -> str:
    event = wishes.events.get(city)
    return _dump(_event_fields(event)) if event else ""


def _waves(wishes: Wishes, city: str) -> str:
    event = wishes.events.get(city)
    return _dump({str(wave.number): wave.entered_at for wave in event.waves}) if event else ""


def _confirmed(wishes: Wishes, city: str) -> str:
    """What the city has confirmed, by assisted city."""
    said = {code: event.confirmed[city] for code, event in wishes.events.items() if city in event.confirmed}
    return ", ".join(f"{code} {seats}" for code, seats in sorted(said.items())) or "-"


def confirmed_for(said: str, assisted: str) -> str:
    """Of what `_confirmed` said only the part about one assisted city, in the same words."""
    return next((part for part in said.split(", ") if part.startswith(f"{assisted} ")), "-")


def _quota(wishes: Wishes, city: str) -> str:
    return str(wishes.quotas.get(city, "default"))


def _threshold(wishes: Wishes, city: str) -> str:
    return f"{wishes.thresholds[city]:g} s" if city in wishes.thresholds else "default"


def _reserve(wishes: Wishes, city: str) -> str:
    return str(wishes.reserves.get(city, "default"))


def _must_read(wishes: Wishes, city: str) -> str:
    return "off" if city in wishes.unread_allowed else "on"


def _event_fields(event: AssistanceEvent) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "id": event.id,
        "title": event.title,
        "started_at": event.started_at,
        "priority": event.priority,
        "switched_on": event.switched_on,
        "seats": dict(sorted(event.seats.items())),
    }
    # What most events do not have is not in most lines of the audit.
    if event.waves:
        fields["waves"] = [
            {"number": wave.number, "seats": dict(sorted(wave.seats.items())), "planned_at": wave.planned_at}
            for wave in event.waves
        ]
    if event.waves_on_time:
        fields["waves_on_time"] = True
    if event.needs_confirmation:
        fields["needs_confirmation"] = True
    if event.notice:
        fields["notice"] = dict(sorted(event.notice.items()))
    return fields


def _dump(fields: dict[str, Any]) -> str:
    return json.dumps(fields, ensure_ascii=False)


SHOWN: dict[str, Callable[[Wishes, str], str]] = {
    "event start": _event,
    "event end": _event,
    "switch on": _switch,
    "switch off": _switch,
    "quota": _quota,
    "threshold": _threshold,
    "reserve": _reserve,
    "confirm": _confirmed,
    "wave enter": _waves,
    "wave leave": _waves,
    "must read on": _must_read,
    "must read off": _must_read,
    "stop all": _stop,
    "resume": _stop,
}
