"""Paused gates open by themselves, halted ones only by a person."""

from rusy_tui.desk.gates import Gates


def gates() -> tuple[Gates, list[int]]:
    changes: list[int] = []
    made = Gates(lambda: changes.append(1))
    return made, changes


def names(of: Gates) -> list[str]:
    return [gate.name for gate in of.closed]


def test_a_paused_gate_opens_when_what_it_names_is_over() -> None:
    made, changes = gates()
    made.pause("stale data", "no price", "when prices come", 5)
    assert names(made) == ["stale data"]
    made.end_pause("stale data")
    assert made.open
    assert len(changes) == 2


def test_resume_opens_halted_gates_alone() -> None:
    made, _ = gates()
    made.pause("stale data", "no price", "when prices come", 5)
    made.halt("day loss", "the day lost 2 %", 6)
    made.halt("operator", "halted", 7)
    assert made.resume() == ("day loss", "operator")
    assert names(made) == ["stale data"]
    assert made.resume() == ()


def test_a_halt_does_not_open_by_itself() -> None:
    made, _ = gates()
    made.halt("database", "lost", 5)
    made.end_pause("database")
    assert names(made) == ["database"]


def test_a_halt_outlives_a_pause_of_the_same_name_and_not_the_other_way_round() -> None:
    made, _ = gates()
    made.pause("database", "lost", "when it is back", 5)
    made.halt("database", "lost for long", 6)
    assert made.closed[0].halted
    made.pause("database", "lost", "when it is back", 7)
    assert made.closed[0].halted


def test_closing_a_closed_gate_keeps_its_first_time_and_tells_nobody() -> None:
    made, changes = gates()
    made.pause("stale data", "no price", "when prices come", 5)
    made.pause("stale data", "no price", "when prices come", 9)
    assert made.closed[0].since_ms == 5
    assert len(changes) == 1


def test_opening_what_is_open_tells_nobody() -> None:
    made, changes = gates()
    made.end_pause("stale data")
    assert changes == []
