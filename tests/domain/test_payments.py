"""A funding payment is one, whoever stamped it."""

import numpy as np

from rusy_tui.domain.history import payment_ms

EIGHT_MS = 1_709_539_200_000  # 2024-03-04 08:00 UTC


def test_stamps_of_one_minute_are_one_payment() -> None:
    stamps = [EIGHT_MS, EIGHT_MS + 3, EIGHT_MS + 59_999, EIGHT_MS + 3_600_000]
    known = [EIGHT_MS, EIGHT_MS, EIGHT_MS, EIGHT_MS + 3_600_000]
    assert [payment_ms(at_ms) for at_ms in stamps] == known
    assert payment_ms(np.array(stamps)).tolist() == known
