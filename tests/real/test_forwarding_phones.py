"""A phone or a city that answers "try another number" (302) leads no call anywhere: no onward hop, no PSTN."""

import asyncio
from dataclasses import replace

import pytest

from callctl.lab.call import PhoneCall
from callctl.lab.phone import NEVER_ANSWERS, Phone
from tests.real.floor import Floor

pytestmark = pytest.mark.real
ELSEWHERE = "<sip:PJSIP%2F13900009999%40pstn@127.0.0.1>"  # Asterisk takes "technology/…" in the user part as it is.


async def forwards(phone: Phone) -> None:
    """The phone's next call is sent on to the carrier."""
    rung: PhoneCall = await phone.until_rung(15.0)
    rung._ends = replace(rung._ends, contact=ELSEWHERE)
    rung.reject(302)


async def test_an_own_agents_phone_cannot_send_a_citizen_on_to_the_carrier(floor: Floor) -> None:
    [agent] = await floor.log_in("yangzhou", floor.seats("yangzhou")[0], habit=NEVER_ANSWERS)
    citizen = await floor.citizen("yangzhou")
    await forwards(agent)
    await asyncio.sleep(2.0)
    assert [call for call in (await floor.carrier("yangzhou")).calls if call.rung_by] == []
    assert citizen.hears == "music"


async def test_a_lent_agents_phone_cannot_send_a_citizen_on_to_the_carrier(floor: Floor) -> None:
    seat = floor.seats("xuzhou")[0]
    [agent] = await floor.log_in("xuzhou", seat, habit=NEVER_ANSWERS)
    await floor.lend("xuzhou", seat, "yangzhou")
    await floor.open_slot("yangzhou", "xuzhou")
    carriers = [await floor.carrier(code) for code in ("xuzhou", "yangzhou")]
    citizen = await floor.citizen("yangzhou")
    await forwards(agent)
    await asyncio.sleep(2.0)
    assert [call for carrier in carriers for call in carrier.calls if call.rung_by] == []
    assert citizen.hears == "music"
