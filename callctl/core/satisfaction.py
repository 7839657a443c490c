"""One scale of satisfaction, 1 (bad) to 5 (good), and how other scales are mapped to it."""

from collections.abc import Mapping

# 一次一评 after the call has three keys in many cities (1 is best); 好差评 has five; 江阴 three words.
SCALES: Mapping[str, Mapping[str, int]] = {
    "five": {"1": 1, "2": 2, "3": 3, "4": 4, "5": 5},
    "five_down": {"1": 5, "2": 4, "3": 3, "4": 2, "5": 1},
    "three_keys": {"1": 5, "2": 4, "3": 1},  # 满意, 基本满意, 不满意
    "words": {
        "非常满意": 5,
        "满意": 4,
        "基本满意": 3,
        "一般": 3,
        "不满意": 2,
        "非常不满意": 1,
    },
}


def score_of(text: str, scale: str) -> int | None:
    """The score of an answer on a scale; None where it is none. KeyError for a scale nobody knows."""
    return SCALES[scale].get(text.strip())
