"""Random numbers that depend on nothing but a seed and a name.

A generator of its own for each purpose: what one part draws never shifts what another one
gets, and two runs with equal seeds are equal.
"""

import random
import zlib

_MASK = (1 << 64) - 1


def generator(seed: int, *names: object) -> random.Random:
    """A generator for one purpose, named by anything whose text is stable."""
    return random.Random(f"{seed}/" + "/".join(str(name) for name in names))


def name_number(name: str) -> int:
    """A stable number for a name (Python's own hash changes from run to run)."""
    return zlib.crc32(name.encode())


def mixed(*numbers: int) -> int:
    """64 well-mixed bits of some integers: equal input, equal output (splitmix64)."""
    state = 0x9E3779B97F4A7C15
    for number in numbers:
        state = (state ^ (number & _MASK)) * 0xBF58476D1CE4E5B9 & _MASK
        state = (state ^ (state >> 30)) * 0x94D049BB133111EB & _MASK
        state ^= state >> 31
    return state
