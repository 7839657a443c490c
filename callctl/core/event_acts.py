"""The province's acts: an assistance event is opened, changed and ended (启动、调整、终止)."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from callctl.core.acts import ActRefused, Sentence, can_help, lendable, with_event
from callctl.core.model import City, Pair, Province
from callctl.core.notice import check_notice
from callctl.core.wishes import AssistanceEvent, Wave, Wishes

TITLE_MAX = 80  # Characters; the headline of a notice (启动通知), shown on one line of the wallboard.
PRIORITY_MAX = 100.0  # A weight, not a rank: 100 already drowns every other city.
WAVES_MOST = 9  # The first event had three.


@dataclass(frozen=True, slots=True)
class StartEvent:
    """启动: open an assistance event, or change the running one in what is given (None leaves it as it is)."""

    city: str
    title: str | None = None
    seats: Mapping[str, int] | None = None
    priority: float | None = None
    waves: tuple[Wave, ...] | None = None  # (): no waves, `seats` count at once. When each entered is kept by number.
    needs_confirmation: bool | None = None
    waves_on_time: bool | None = None
    notice: Mapping[str, str] | None = None  # Fields not named stay as they are.

    @property
    def what(self) -> str:
        """The act's word in the audit."""
        return "event start"

    def check(self, province: Province, wishes: Wishes) -> tuple[Sentence, ...]:
        """Supporters must exist, be allowed, have trunks both ways and enough seats. Raises ActRefused."""
        assisted = province.cities[self.city]
        if self.title is not None and not (self.title.isprintable() and len(self.title) <= TITLE_MAX):
            raise ActRefused(
                f"标题须为一行，最多 {TITLE_MAX} 字", f"the title must be one line of {TITLE_MAX} characters at most"
            )
        if self.priority is not None and not 0.0 < self.priority <= PRIORITY_MAX:
            raise ActRefused(
                f"优先级须大于 0、不超过 {PRIORITY_MAX:g}(1 为平等)",
                f"the priority must be above 0 and at most {PRIORITY_MAX:g} (1 is equal)",
            )
        check_notice(self.notice or {})
        shares = self._shares()
        notes = [note for code, seats in shares.items() for note in _check_share(province, wishes, assisted, code, seats)]
        if not shares and not any(can_help(province, assisted, other) for other in province.cities.values()):
            raise ActRefused(
                f"没有一个市能支援{assisted.name_zh}：检查 queues/ 里的 helps 和 trunk",
                f"no city can help {self.city}: look at `helps` and `trunk` in queues/",
            )
        return (*notes, *_mutual(province, wishes, self.city, shares))

    def _shares(self) -> Mapping[str, int]:
        """Most seats asked of each city, all waves together. Raises ActRefused where the waves are numbered wrongly."""
        if not self.waves:
            return self.seats or {}
        if [wave.number for wave in self.waves] != list(range(1, len(self.waves) + 1)) or len(self.waves) > WAVES_MOST:
            wrong = Sentence(
                f"批次须从 1 连续编号，最多 {WAVES_MOST} 批", f"waves are numbered 1, 2, … {WAVES_MOST} at most"
            )
            raise ActRefused(wrong.zh, wrong.en, {"waves": wrong})
        shares: dict[str, int] = {}
        for wave in self.waves:
            for code, seats in wave.seats.items():
                if seats < 0:
                    raise ActRefused(
                        "座席数不能小于 0", "seats cannot be below 0", {"waves": Sentence("不能小于 0", "not below 0")}
                    )
                shares[code] = shares.get(code, 0) + seats
        return shares

    def apply(self, wishes: Wishes, now: float) -> Wishes:
        """The wishes with the event in them."""
        event = wishes.events.get(self.city) or AssistanceEvent(
            id=f"{self.city}-{int(now)}", assisted=self.city, title="", started_at=now
        )
        return with_event(
            wishes,
            replace(
                event,
                title=event.title if self.title is None else self.title,
                priority=event.priority if self.priority is None else self.priority,
                seats=event.seats if self.seats is None else MappingProxyType(dict(self.seats)),
                waves=event.waves if self.waves is None else _entered_before(self.waves, event.waves),
                waves_on_time=event.waves_on_time if self.waves_on_time is None else self.waves_on_time,
                needs_confirmation=(
                    event.needs_confirmation if self.needs_confirmation is None else self.needs_confirmation
                ),
                notice=MappingProxyType({**event.notice, **(self.notice or {})}),
            ),
        )

    def concern(self, wishes: Wishes) -> object:
        """The event but for its switch and the seats confirmed: those belong to the cities."""
        event = wishes.events.get(self.city)
        return replace(event, switched_on=False, confirmed=MappingProxyType({})) if event else None


def _entered_before(waves: tuple[Wave, ...], before: tuple[Wave, ...]) -> tuple[Wave, ...]:
    since = {wave.number: wave.entered_at for wave in before}
    return tuple(
        replace(wave, seats=MappingProxyType(dict(wave.seats)), entered_at=since.get(wave.number, 0.0)) for wave in waves
    )


def _check_share(province: Province, wishes: Wishes, assisted: City, code: str, seats: int) -> list[Sentence]:
    """One supporter's share in an event. Raises ActRefused."""
    other = province.cities[code]
    if code == assisted.code:
        raise ActRefused(f"{other.name_zh}不能支援自己", f"{code} cannot help itself")
    if not other.may_help(assisted.code):
        raise ActRefused(
            f"{other.name_zh}不支援{assisted.name_zh}：在 queues/{code}.toml 的 [lend] helps 里加上 {assisted.code}",
            f"{code} does not help {assisted.code}: add it to [lend] helps in queues/{code}.toml",
        )
    if province.channels(Pair(assisted.code, code)) == 0:
        raise ActRefused(
            f"{assisted.name_zh}与{other.name_zh}之间缺中继：两边的 queues/*.toml 都要有 [[trunk]]",
            f"no trunk between {assisted.code} and {code}: both queues/*.toml need a [[trunk]]",
        )
    if not 0 <= seats <= lendable(other):
        raise ActRefused(
            f"{other.name_zh}可借座席 {lendable(other)} 个，不能派 {seats} 个",
            f"{code} has {lendable(other)} seats that may be lent, not {seats}",
        )
    quota = wishes.quotas.get(code, other.lend.quota)
    if seats > quota:
        return [
            Sentence(
                f"{other.name_zh}配额为 {quota}，多派的 {seats - quota} 个要等配额提高后才用得上",
                f"{code}'s quota is {quota}: {seats - quota} of its {seats} seats wait for a higher quota",
            )
        ]
    return []


def _mutual(province: Province, wishes: Wishes, assisted: str, seats: Mapping[str, int]) -> list[Sentence]:
    """Cities that help and are helped: allowed, because sharing is one-way at every moment (the policy sees to it).

    Refusing would leave a supporter that surges itself without help. A city whose own assistance acts lends nothing.
    """
    notes = []
    if any(assisted in event.seats for city, event in wishes.events.items() if city != assisted):
        notes.append(assisted)
    notes += [code for code in seats if code in wishes.events]
    return [
        Sentence(
            f"{province.cities[code].name_zh}既支援又被支援：自己的支援起作用时不外借座席(单向原则)",
            f"{code} helps and is helped: while its own assistance acts it lends no seat (one-way rule)",
        )
        for code in notes
    ]


@dataclass(frozen=True, slots=True)
class EndEvent:
    """终止: end the assistance event; its switch goes with it. Calls in progress go on."""

    city: str

    @property
    def what(self) -> str:
        """The act's word in the audit."""
        return "event end"

    def check(self, province: Province, wishes: Wishes) -> tuple[Sentence, ...]:
        """Always possible."""
        return ()

    def apply(self, wishes: Wishes, now: float) -> Wishes:
        """The wishes without the event."""
        return replace(
            wishes, events=MappingProxyType({city: event for city, event in wishes.events.items() if city != self.city})
        )

    def concern(self, wishes: Wishes) -> object:
        """The whole event: who ends it must have seen what it had become."""
        return wishes.events.get(self.city)
