"""Switches by name, as the command line has them. What each does is tested where it acts."""

import pytest

from rusy_tui.simulator.options import parse
from rusy_tui.simulator.switches import Switches, names


def test_none_is_set_unless_it_is_named() -> None:
    assert parse([]).switches == Switches()
    assert not any(getattr(Switches(), name) for name in names())


@pytest.mark.parametrize("name", names())
def test_each_is_set_by_its_name_alone(name: str) -> None:
    chosen = parse(["--switch", name]).switches
    assert [each for each in names() if getattr(chosen, each)] == [name]


def test_several_are_set_together() -> None:
    every = [word for name in names() for word in ("--switch", name)]
    assert all(getattr(parse(every).switches, name) for name in names())


def test_one_that_there_is_not_is_bad_usage() -> None:
    with pytest.raises(SystemExit) as ended:
        parse(["--switch", "nonsense"])
    assert ended.value.code == 2
