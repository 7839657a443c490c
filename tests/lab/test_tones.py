"""Tones: every sound of the lab is told from every other, also after a PBX re-coded it."""

import audioop
from pathlib import Path

import pytest

from callctl.lab import tones
from callctl.lab.rtp import Heard, longest_gap_s

FRAME = tones.FRAME_SAMPLES


@pytest.mark.parametrize("tone", [*tones.TONES, tones.SILENCE])
def test_every_tone_is_recognised_in_every_frame(tone: str) -> None:
    sound = tones.alaw(tone)
    assert {tones.recognise(sound[at : at + FRAME]) for at in range(0, len(sound), FRAME)} == {tone}


def test_a_tone_is_recognised_between_two_frames() -> None:
    sound = tones.alaw("music")
    assert {tones.recognise(sound[at : at + FRAME]) for at in range(37, len(sound) - FRAME, FRAME)} == {"music"}


def test_a_tone_through_mu_law_and_at_a_tenth_of_its_loudness_is_recognised() -> None:
    linear = audioop.mul(audioop.alaw2lin(tones.alaw("helper"), 2), 2, 0.1)
    passed_on = audioop.lin2alaw(audioop.ulaw2lin(audioop.lin2ulaw(linear, 2), 2), 2)
    assert tones.recognise(passed_on[:FRAME]) == "helper"


def test_two_tones_at_once_are_unknown() -> None:
    mixed = audioop.add(audioop.alaw2lin(tones.alaw("agent"), 2), audioop.alaw2lin(tones.alaw("helper"), 2), 2)
    assert tones.recognise(audioop.lin2alaw(mixed, 2)[:FRAME]) == tones.UNKNOWN


def test_half_a_frame_is_unknown() -> None:
    assert tones.recognise(tones.alaw("music")[:80]) == tones.UNKNOWN


@pytest.mark.parametrize("name", ["tone.wav", "tone.alaw"])
def test_a_tone_file_lasts_as_long_as_was_asked(tmp_path: Path, name: str) -> None:
    tones.write_file(tmp_path / name, "music", 2)
    assert (tmp_path / name).stat().st_size == (2 * 2 * 8000 + 44 if name.endswith("wav") else 2 * 8000)


def test_music_that_stops_leaves_a_gap() -> None:
    heard = [Heard("music", 10.0, 12.0, longest_gap_s=0.03), Heard("agent", 12.02, 13.0), Heard("music", 13.5, 20.0)]
    assert longest_gap_s(heard, "music", 10.0, 12.0) == pytest.approx(0.03)
    assert longest_gap_s(heard, "music", 10.0, 20.0) == pytest.approx(1.5)
    assert longest_gap_s(heard, "music", 9.0, 12.0) == pytest.approx(1.0)
    assert longest_gap_s(heard, "music", 15.0, 21.0) == pytest.approx(1.0)
    assert longest_gap_s([], "music", 15.0, 21.0) == pytest.approx(6.0)
