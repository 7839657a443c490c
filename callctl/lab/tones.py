"""Tones that tell who is heard: one for the music, one for citizens, one for each kind of agent."""

import array
import audioop
import functools
import math
import wave
from collections.abc import Callable
from pathlib import Path

SAMPLES_PER_S = 8000
FRAME_SAMPLES = 160  # 20 ms, one RTP packet.
SILENCE = "silence"
UNKNOWN = "unknown"

# Multiples of 50 Hz fit a 20-ms frame in whole waves, so one tone never leaks into another's measurement.
TONES = {
    # Not 450 Hz: that is China's ringing tone, and a caller who hears it has lost the music.
    "music": 600,
    "signal": 450,  # Ringing tone; the dialplan's own beeps (440 Hz) are too near to be told from it.
    "citizen": 850,  # Not 700 Hz: Asterisk's own beep comes near it.
    "agent": 1000,
    "helper": 1500,
    "helper-2": 2000,
    "helper-3": 2500,
}
_LOUDNESS = 8000  # Of 32,767: loud, and two tones mixed do not clip.
_QUIET_RMS = 50
_SHARE = 0.6  # The tone must carry this part of a frame's power; two mixed tones are "unknown".


@functools.cache
def alaw(tone: str) -> bytes:
    """One second of a tone as a-law; it can be repeated without a click. "silence" is a tone, too."""
    if tone == SILENCE:
        return audioop.lin2alaw(bytes(2 * SAMPLES_PER_S), 2)
    return audioop.lin2alaw(_linear(TONES[tone], math.sin, SAMPLES_PER_S), 2)


def recognise(frame: bytes) -> str:
    """Which tone a frame of a-law carries: a name of TONES, SILENCE, or UNKNOWN."""
    linear = audioop.alaw2lin(frame[:FRAME_SAMPLES], 2)
    if len(linear) != 2 * FRAME_SAMPLES:
        return UNKNOWN
    rms = audioop.rms(linear, 2)
    if rms < _QUIET_RMS:
        return SILENCE
    for tone, waves in _references().items():
        # findfactor is the least-squares share of the reference in the frame: a Fourier bin, in C.
        sine, cosine = (audioop.findfactor(linear, reference) for reference in waves)
        power = (sine * sine + cosine * cosine) * _LOUDNESS * _LOUDNESS / 2
        if power > _SHARE * rms * rms:
            return tone
    return UNKNOWN


def write_file(path: Path, tone: str, seconds: int) -> None:
    """A file of one tone: 8 kHz, 16 bit, mono where the name ends in .wav, else bare a-law (Asterisk's `alaw`)."""
    sound = alaw(tone) * seconds
    if path.suffix != ".wav":
        path.write_bytes(sound)
        return
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLES_PER_S)
        file.writeframes(audioop.alaw2lin(sound, 2))


@functools.cache
def _references() -> dict[str, tuple[bytes, bytes]]:
    return {
        tone: (_linear(hertz, math.sin, FRAME_SAMPLES), _linear(hertz, math.cos, FRAME_SAMPLES))
        for tone, hertz in TONES.items()
    }


def _linear(hertz: int, shape: Callable[[float], float], samples: int) -> bytes:
    step = 2 * math.pi * hertz / SAMPLES_PER_S
    return array.array("h", (round(_LOUDNESS * shape(step * n)) for n in range(samples))).tobytes()
