"""One-shot commands to a running demo, each with its exit code."""

from typing import Any

import pytest

from tests.system.busy import SYMBOL, busy_options
from tests.system.driving import Exchange, Home, wait_for

pytestmark = [pytest.mark.verify, pytest.mark.timeout(180)]


def _answer(home: Home, *arguments: str, code: int = 0) -> str:
    """What a command prints; it must end with a code."""
    done = home.rusy(*arguments)
    assert done.returncode == code, f"rusy {' '.join(arguments)}: {done.stdout}{done.stderr}"
    return done.stdout


def _pending(home: Home) -> dict[str, Any]:
    """The proposal that waits, once one does."""
    found = wait_for(lambda: home.told("proposals") or None, 60.0, "a proposal")
    proposal: dict[str, Any] = found[0]
    return proposal


def _entering_or_open(exchange: Exchange) -> bool:
    account = exchange.account()
    return bool(account["positions"] or account["open_orders"])


def test_an_operator_decides_from_the_command_line(home: Home) -> None:
    engine = home.start(*busy_options(home, "approve"))
    exchange = home.exchange()
    status = home.told("status")
    assert (status["pid"], status["mode"], status["gates"]) == (engine.pid, "approve", [])
    assert "DEMO  running" in _answer(home, "status")

    # A proposal: a wrong revision, a wrong number, a refusal.
    first = _pending(home)
    number, revision = str(first["proposal_id"]), first["revision"]
    listed = _answer(home, "proposals")
    assert number in listed
    assert revision in listed
    wrong = "0000" if revision != "0000" else "1111"
    changed = _answer(home, "approve", number, wrong, code=1)
    assert "changed" in changed
    assert revision in changed
    _answer(home, "approve", "999", revision, code=1)
    _answer(home, "reject", number)
    assert "rejected" in _answer(home, "approve", number, revision, code=1)
    assert not _entering_or_open(exchange)

    # Halted, nothing is approved; resumed, it is.
    _answer(home, "halt")
    gates = home.told("status")["gates"]
    assert [gate["halted"] for gate in gates] == [True]
    _answer(home, "resume")
    assert home.told("status")["gates"] == []
    second = _pending(home)
    _answer(home, "halt")
    denied = _answer(home, "approve", str(second["proposal_id"]), second["revision"], code=1)
    assert "denied" in denied
    _answer(home, "resume")
    decided = home.told("proposals")
    if not decided:  # it was denied for good, and the next one is taken
        second = _pending(home)
    _answer(home, "approve", str(second["proposal_id"]), second["revision"])
    again = home.rusy("approve", str(second["proposal_id"]), second["revision"])
    assert "already" in again.stdout, again.stdout + again.stderr

    # By itself, from now on; and back.
    _answer(home, "mode", "auto")
    assert home.told("status")["mode"] == "auto"
    wait_for(exchange.open_and_protected, 60.0, "a position", or_say=lambda: str(engine))
    _answer(home, "mode", "approve")
    assert home.told("status")["mode"] == "approve"
    assert home.told("positions")[0]["protected_by"]
    assert SYMBOL in _answer(home, "orders")

    # Everything is closed, and stays so.
    assert "--yes" in home.rusy("flatten").stderr
    assert home.rusy("flatten").returncode == 2
    assert "flat" in _answer(home, "flatten", "--yes")
    account = exchange.account()
    assert account["positions"] == account["open_orders"] == account["open_algo_orders"] == []
    assert [gate["halted"] for gate in home.told("status")["gates"]] == [True]
    _answer(home, "close", SYMBOL, "--yes", code=1)
    assert home.told("trades")[-1]["state"] == "closed"
    _answer(home, "stop")
    assert engine.ended(5.0) == 0
    _answer(home, "status", code=3)
