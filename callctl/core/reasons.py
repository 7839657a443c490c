"""Why a waiting call is not helped, and why something was done: one code each, in words a supervisor reads."""

import enum
from dataclasses import dataclass


class Why(enum.Enum):
    """The code; WORDS holds what people read."""

    STOPPED = "stopped"
    NO_EVENT = "no_event"
    SWITCHED_OFF = "switched_off"
    HOME_UNKNOWN = "home_unknown"
    NO_HELPER = "no_helper"
    REGISTRY_LOST = "registry_lost"
    PBX_DOWN = "pbx_down"
    ITSELF_ASSISTED = "itself_assisted"
    NOT_IN_EVENT = "not_in_event"
    NO_TRUNK = "no_trunk"
    TRUNK_DOWN = "trunk_down"
    TRUNK_BACK = "trunk_back"
    BREAKER = "breaker"
    TRUNK_FULL = "trunk_full"
    QUOTA = "quota"
    NO_SEAT_ON_DUTY = "no_seat_on_duty"
    SEATS_BUSY = "seats_busy"
    COOL_DOWN = "cool_down"
    OWN_CALLERS = "own_callers"
    RESERVE = "reserve"
    UNBRIEFED = "unbriefed"
    UNDER_WAY = "under_way"
    # Why something was done.
    WAITED = "waited"
    PREDICTED = "predicted"
    AGENTS_AWAY = "agents_away"
    ADOPTED = "adopted"
    CALM = "calm"
    SHORT = "short"
    NOT_READY = "not_ready"
    MORE_URGENT = "more_urgent"
    NOBODY_ELSE = "nobody_else"
    NEXT_IN_LINE = "next_in_line"


WORDS: dict[Why, tuple[str, str]] = {
    Why.STOPPED: ("已全部停止支援", "all assistance is stopped"),
    Why.NO_EVENT: ("没有生效的启动令", "no assistance event is running"),
    Why.SWITCHED_OFF: ("本市支援开关未开启", "the city's switch is off"),
    Why.HOME_UNKNOWN: ("本市话务平台状态不明", "the city's own PBX is not heard"),
    Why.NO_HELPER: ("没有配置可支援的城市", "no city is set up to help"),
    Why.REGISTRY_LOST: ("座席登记库中断，暂不新增借调", "the registry is lost: nothing new is lent"),
    Why.PBX_DOWN: ("支援市话务平台失联", "the supporting city's PBX is not heard"),
    Why.ITSELF_ASSISTED: ("支援市自身正在接受支援", "the city is being helped itself"),
    Why.NOT_IN_EVENT: ("不在启动令的支援名单内", "the event does not name the city"),
    Why.NO_TRUNK: ("两市之间没有中继", "no trunk between the cities"),
    Why.TRUNK_DOWN: ("中继中断", "the trunk is down"),
    Why.TRUNK_BACK: ("中继刚恢复，稳定后再借调", "the trunk is just back: nothing new is lent until it is steady"),
    Why.BREAKER: ("连续呼叫失败，中继熔断中", "set-ups failed in a row: pausing before the next probe"),
    Why.TRUNK_FULL: ("中继通道已满", "the trunk is full"),
    Why.QUOTA: ("支援名额已用完", "the quota is used up"),
    Why.NO_SEAT_ON_DUTY: ("没有在岗的可借调座席", "no lendable seat is on duty"),
    Why.SEATS_BUSY: ("可借调座席全忙", "every lendable seat is busy"),
    Why.COOL_DOWN: ("座席未接听，冷却中", "the free seats did not answer lately"),
    Why.OWN_CALLERS: ("支援市自己有市民在排队", "the city has callers of its own waiting"),
    Why.RESERVE: ("支援市须留守座席", "the city keeps its reserve at home"),
    Why.UNBRIEFED: ("空闲座席的话务员未读该市必读口径", "the free agents have not read the city's must-read scripts"),
    Why.UNDER_WAY: ("正在安排座席", "seats are being arranged"),
    Why.WAITED: ("已等候", "waited"),
    Why.PREDICTED: ("预计等候", "predicted wait"),
    Why.AGENTS_AWAY: ("本市座席在外支援", "own agents are away helping"),
    Why.ADOPTED: ("控制器重启前已在支援", "was being helped when the controller started"),
    Why.CALM: ("队列已空一段时间", "the queue has been empty for a while"),
    Why.SHORT: ("支援市自己缺人", "the supporting city is short itself"),
    Why.NOT_READY: ("座席示忙或离线", "the seat is not ready"),
    Why.MORE_URGENT: ("另一市的市民更急", "a caller of another city is more urgent"),
    Why.NOBODY_ELSE: ("没有别的来电需要这些座席", "no other caller needs these seats"),
    Why.NEXT_IN_LINE: ("按全省等候顺序轮到该市来电", "the city's caller is next in the province's line"),
}


@dataclass(frozen=True, slots=True)
class Reason:
    """Why `count` waiting calls over their city's threshold are not covered."""

    why: Why
    count: int
    supporting: tuple[str, ...] = ()  # The supporting cities this holds for; empty: it is the assisted city's own.

    @property
    def words_zh(self) -> str:
        """For people, in Chinese."""
        return WORDS[self.why][0]

    @property
    def words_en(self) -> str:
        """For people, in English."""
        return WORDS[self.why][1]


class Did(enum.Enum):
    """What the policy did."""

    ACTIVATED = "activated"
    RESTED = "rested"
    SEAT_LENT = "seat_lent"
    SEAT_BACK = "seat_back"
    SEAT_MOVED = "seat_moved"
    RING_TOGETHER = "ring_together"
    SEAT_REGROUPED = "seat_regrouped"
    SLOT_CLOSED = "slot_closed"


DEEDS: dict[Did, tuple[str, str]] = {
    Did.ACTIVATED: ("启动支援", "activated"),
    Did.RESTED: ("支援待命", "stands by again"),
    Did.SEAT_LENT: ("座席借出", "seat lent"),
    Did.SEAT_BACK: ("座席收回", "seat back"),
    Did.SEAT_MOVED: ("座席改借", "seat moved"),
    Did.RING_TOGETHER: ("座席同振", "seats ring together"),
    Did.SEAT_REGROUPED: ("座席改振铃组", "seat rings in another group"),
    Did.SLOT_CLOSED: ("借出座席暂不接新来电", "seats on loan take no new call for now"),
}


@dataclass(frozen=True, slots=True)
class Decision:
    """Something that was done, and why. `seat` (several with 、 between) and `assisted` where it is about loans."""

    did: Did
    why: Why
    at: float
    seat: str = ""
    assisted: str = ""
    wait_s: float | None = None  # Waited or predicted, against `threshold_s`.
    threshold_s: float = 0.0

    @property
    def words_zh(self) -> str:
        """For people, in Chinese."""
        figures = "" if self.wait_s is None else f" {_seconds(self.wait_s, '秒')} ≥ {_seconds(self.threshold_s, '秒')}"
        return f"{DEEDS[self.did][0]}{self.seat and ' ' + self.seat}：{WORDS[self.why][0]}{figures}"

    @property
    def words_en(self) -> str:
        """For people, in English."""
        figures = "" if self.wait_s is None else f" {_seconds(self.wait_s, 's')} ≥ {_seconds(self.threshold_s, 's')}"
        return f"{DEEDS[self.did][1]}{self.seat and ' ' + self.seat}: {WORDS[self.why][1]}{figures}"


def _seconds(value: float, unit: str) -> str:
    """Endless where nobody is on duty."""
    return "∞" if value == float("inf") else f"{value:.0f} {unit}"
