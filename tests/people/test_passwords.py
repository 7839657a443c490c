"""Which passwords will do, and how they are kept."""

import asyncio

import pytest

from callctl.core.acts import ActRefused
from callctl.people.passwords import WAITING_MOST, Scales, TooBusy, check_password
from callctl.rights import Role, clashing


@pytest.mark.parametrize(
    "password", ["Correct-Horse-7-Battery", "扬州12345热线Supervisor", "xK9#mP2$vL5@", "a long Sentence with 3 words"]
)
def test_a_good_password_will_do(password: str) -> None:
    check_password(password, "wang")


@pytest.mark.parametrize(
    "password",
    [
        "", "Short-1", "alllowercaseletters", "ALLUPPERCASE123", "Password12345!", "Wang-Wang-Wang-1", "Aa1!Aa1!Aa1!",
        "Callctl12345!x", "Tab\there-Password-7", "A1-" + "x" * 200, "aaaaaaaaaaaA1!",
    ],
)  # fmt: skip
def test_a_weak_password_is_refused_at_its_field_with_the_reason(password: str) -> None:
    with pytest.raises(ActRefused) as refused:
        check_password(password, "wang")
    assert "password" in refused.value.fields
    assert not password or password not in refused.value.sentence.en + refused.value.sentence.zh


async def test_a_kept_password_fits_only_itself_and_an_empty_one_fits_nothing() -> None:
    scales = Scales()
    kept = await scales.keep("Correct-Horse-7-Battery")
    assert kept.startswith("$argon2id$")
    assert await scales.fits(kept, "Correct-Horse-7-Battery")
    assert not await scales.fits(kept, "correct-horse-7-battery")
    assert not await scales.fits("", "")
    assert not await scales.fits("damaged", "x")
    assert not scales.outdated(kept)
    assert scales.outdated("$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ$c29tZWhhc2g")


async def test_a_crowd_at_the_door_is_sent_away_instead_of_stopping_the_house() -> None:
    scales = Scales()
    crowd = [asyncio.create_task(scales.fits("", f"guess {number}")) for number in range(WAITING_MOST + 5)]
    answers = await asyncio.gather(*crowd, return_exceptions=True)
    assert sum(isinstance(answer, TooBusy) for answer in answers) == 5


@pytest.mark.parametrize(
    ("roles", "clash"),
    [
        ({Role.SYSTEM_ADMIN}, False),
        ({Role.SYSTEM_ADMIN, Role.SECURITY_ADMIN}, True),
        ({Role.SECURITY_ADMIN, Role.AUDITOR}, True),
        ({Role.AUDITOR, Role.SUPERVISOR}, True),
        ({Role.EDITOR, Role.APPROVER, Role.SUPERVISOR}, False),
    ],
)
def test_the_three_administrators_are_three_people(roles: set[Role], clash: bool) -> None:
    assert clashing(roles) is clash
