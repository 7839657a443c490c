"""One-time codes against the tables of the RFCs."""

import base64

import pytest

from callctl.people.codes import STEP_S, address, code_at, new_key, step_of

# RFC 6238, appendix B: the seeds are ASCII digits, repeated to 20, 32 and 64 bytes; eight digits.
SEEDS = {
    "sha1": b"12345678901234567890",
    "sha256": b"12345678901234567890123456789012",
    "sha512": b"1234567890" * 6 + b"1234",
}
TOTP = [
    (59, "94287082", "46119246", "90693936"),
    (1111111109, "07081804", "68084774", "25091201"),
    (1111111111, "14050471", "67062674", "99943326"),
    (1234567890, "89005924", "91819424", "93441116"),
    (2000000000, "69279037", "90698825", "38618901"),
    (20000000000, "65353130", "77737706", "47863826"),
]
# RFC 4226, appendix D: six digits, counters 0 to 9.
HOTP = ["755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583", "399871", "520489"]


def key(digest: str) -> str:
    return base64.b32encode(SEEDS[digest]).decode()


@pytest.mark.parametrize(("at", "sha1", "sha256", "sha512"), TOTP)
def test_the_codes_are_those_of_rfc_6238(at: int, sha1: str, sha256: str, sha512: str) -> None:
    for digest, expected in (("sha1", sha1), ("sha256", sha256), ("sha512", sha512)):
        assert code_at(key(digest), at // STEP_S, 8, digest) == expected


def test_the_codes_are_those_of_rfc_4226() -> None:
    assert [code_at(key("sha1"), counter) for counter in range(10)] == HOTP


def test_a_clock_that_is_a_step_off_is_forgiven_and_not_more() -> None:
    mine, now = new_key(), 1_790_000_000.0
    step = int(now // STEP_S)
    found = [step_of(mine, code_at(mine, step + off), now, 0) for off in (-2, -1, 0, 1, 2)]
    assert found == [None, step - 1, step, step + 1, None]


def test_a_code_is_good_once_and_an_older_one_not_after_it() -> None:
    mine, now = new_key(), 1_790_000_000.0
    step = int(now // STEP_S)
    assert step_of(mine, code_at(mine, step), now, step) is None
    assert step_of(mine, code_at(mine, step - 1), now, step) is None
    assert step_of(mine, code_at(mine, step + 1), now, step) == step + 1


@pytest.mark.parametrize("typed", ["", "12345", "1234567", "abcdef", "１２３４５６", "12 34 5", "-12345"])
def test_what_is_no_code_is_none(typed: str) -> None:
    assert step_of(new_key(), typed, 1_790_000_000.0, 0) is None


def test_a_code_may_be_typed_with_a_space_and_the_authenticator_gets_an_address() -> None:
    mine, now = new_key(), 1_790_000_000.0
    code = code_at(mine, int(now // STEP_S))
    assert step_of(mine, f"{code[:3]} {code[3:]}", now, 0) is not None
    assert address(mine, "wang").startswith(f"otpauth://totp/callctl:wang?secret={mine}&")


def test_a_key_that_is_none_is_told() -> None:
    with pytest.raises(ValueError, match="base32"):
        code_at("not base32!", 1)
