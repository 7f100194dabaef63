"""A newcomer's first minutes: the demo in a terminal, judged by the exchange's own books."""

import json
import math
import os
import re
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.system.driving import Exchange, Home, Terminal, closing_all, wait_for

pytestmark = [pytest.mark.verify, pytest.mark.needs("tmux"), pytest.mark.timeout(300)]

_FIRST_PAINT_S = 1.0
_LIVE_S = 5.0
_PROPOSAL_S = 30.0
_PRICE_SEEN_MS = 1000
_ARMED_FOR_S = 0.3
# What else the machine does must not decide: of so many starts the fastest counts.
_STARTS = 3
# Where others already use more than the machine has, so much longer may it take at most.
_MOST_PATIENCE = 3.0
_LOOKS = 4
_MANY = 50

_HEADER = re.compile(r"^ (?P<symbol>\w+) 15m +[\d,]+\.\d+ [▲▼]", re.MULTILINE)
_CLOSE = re.compile(r"([\d,]+\.\d+) ◂")
_CANDLES = re.compile(r"[┃╿╽│╻╹]")
_PROPOSAL = re.compile(r" PROPOSAL (\d+) ")
_ARMED = re.compile(r"armed: press +(\d) ")


def _forming_close(screen: str) -> Decimal | None:
    found = _CLOSE.search(screen)
    return Decimal(found[1].replace(",", "")) if found else None


def _drawn(screen: str) -> tuple[str, Decimal] | None:
    """The pair shown and its forming close, once header and chart have prices."""
    found, close = _HEADER.search(screen), _forming_close(screen)
    if found is None or close is None or len(_CANDLES.findall(screen)) < _MANY:
        return None
    return found["symbol"], close


def _live(terminal: Terminal) -> str:
    """Wait until the chart is drawn and its last candle has moved; the pair shown."""
    symbol, first = wait_for(lambda: _drawn(terminal.text()), 30.0, "candles")

    def moved() -> bool:
        shown = _drawn(terminal.text())
        return shown is not None and shown[1] != first

    wait_for(moved, 30.0, "live candles", or_say=terminal.text)
    return symbol


class _Look:
    """What was on the screen at a moment, and what the exchange says of that moment."""

    def __init__(self, terminal: Terminal, exchange: Exchange, symbol: str) -> None:
        self.at_s = time.monotonic()
        self._at_ms = time.time() * 1000
        self.screen = terminal.text()
        self.close = _forming_close(self.screen)
        self._recent = exchange.state()["prices"][symbol]["recent"]

    @property
    def age_ms(self) -> float:
        """How long before the capture the shown close was the exchange's last price, wall time.

        Infinite where it was none in all that the exchange remembers.
        """
        ends = [seen_ms for _, seen_ms, _ in self._recent[1:]] + [self._at_ms]
        ages = [
            max(0.0, self._at_ms - end_ms)
            for (_, _, price), end_ms in zip(self._recent, ends, strict=True)
            if Decimal(price) == self.close
        ]
        return min(ages, default=math.inf)


def _approve(terminal: Terminal) -> None:
    """`a`, then the digit that the card shows."""
    terminal.press("a")
    digit = terminal.wait(_ARMED.pattern, 5.0, "the card is armed")[1]
    armed_s = time.monotonic()
    # A digit that comes at once is taken for a paste.
    wait_for(lambda: time.monotonic() - armed_s > _ARMED_FOR_S, 5.0, "time to read")
    terminal.keep("armed")
    terminal.press(digit)


def _open_a_position(terminal: Terminal, exchange: Exchange) -> tuple[dict[str, Any], set[str]]:
    """Approve proposals until one is filled; the account, and the entries seen to rest."""
    entries: set[str] = set()
    approved: set[str] = set()

    def look() -> dict[str, Any] | None:
        account = exchange.account()
        entries.update(order["clientOrderId"] for order in account["open_orders"])
        if not account["positions"]:
            shown = _PROPOSAL.search(terminal.text())
            if shown and shown[1] not in approved:
                approved.add(shown[1])
                _approve(terminal)
        return exchange.open_and_protected()

    account = wait_for(look, 150.0, "a filled entry with its stop", or_say=terminal.text)
    for symbol in {fill["symbol"] for fill in account["fills"]}:
        known = {order["orderId"]: order["clientOrderId"] for order in exchange.orders(symbol)}
        entries.update(known[fill["orderId"]] for fill in account["fills"])
    return account, entries


def _patience() -> float:
    """1 on a machine that is ours; more where others keep it busy."""
    return min(max(os.getloadavg()[0] / (os.cpu_count() or 1), 1.0), _MOST_PATIENCE)


def _first_paint(terminal: Terminal) -> float:
    wait_for(lambda: terminal.text().strip() or None, 20.0, "the first paint", every_s=0.005)
    return time.monotonic() - terminal.started_s


def test_the_demo_from_first_paint_to_an_empty_account(
    home: Home, terminal: Callable[..., Terminal], captures: Path
) -> None:
    seed = os.environ.get("RUSY_TEST_SEED", "")
    options = ("--seed", seed) if seed else ()
    figures: dict[str, object] = {}

    def told(name: str, value: float) -> float:
        figures[name] = round(value, 2)
        (captures / "figures.json").write_text(json.dumps(figures, indent=2) + "\n")
        return value

    patience = told("patience", _patience())

    # The start: painted, live, true.
    console = terminal("demo", *options)
    first_paint_s = told("first_paint_s", _first_paint(console))
    console.keep("first-paint")
    symbol = _live(console)
    live_s = told("live_candles_s", time.monotonic() - console.started_s)
    console.keep("live")
    exchange = home.exchange()
    looks = [_Look(console, exchange, symbol)]
    # Prices have few steps: two may be equal by chance, three hardly.
    while len(looks) < 2 or looks[-1].close == looks[-2].close:
        assert len(looks) < _LOOKS, "the forming candle stands still"
        last_s = looks[-1].at_s
        wait_for(lambda: time.monotonic() - last_s >= 2.0, 5.0, "two seconds")  # noqa: B023
        looks.append(_Look(console, exchange, symbol))
    for each in looks:
        console.keep("price", each.screen)
        assert each.age_ms <= _PRICE_SEEN_MS, f"{each.close} is {each.age_ms:.0f} ms old"
    figures["closes"] = [str(each.close) for each in looks]
    figures["closes_age_ms"] = [round(each.age_ms) for each in looks]

    # A proposal comes, and is approved by keys.
    console.wait(_PROPOSAL.pattern, 90.0, "a proposal")
    proposal_s = told("proposal_s", time.monotonic() - console.started_s)
    console.keep("proposal")
    account, entries = _open_a_position(console, exchange)
    told("protected_s", time.monotonic() - console.started_s)
    assert entries
    assert any(each.startswith("rusy-e-") for each in entries), entries
    (position,) = account["positions"]
    (stop,) = [o for o in account["open_algo_orders"] if o["orderType"] == "STOP_MARKET"]
    assert stop["symbol"] == position["symbol"]
    assert stop["clientAlgoId"].startswith("rusy-s-")
    assert stop["closePosition"] is True
    figures["entry"] = sorted(each for each in entries if each.startswith("rusy-e-"))
    figures["stop"] = stop["clientAlgoId"]
    guarded = rf"{position['symbol']} +(long|short) .*#\w{{4}}"
    console.wait(guarded, 10.0, "the guarded position")
    console.keep("position")

    # The screen goes; the position lives on.
    console.press("q")
    console.wait("detach", 5.0)
    console.keep("leaving")
    console.press("d")
    assert console.ended(15.0) == 0
    assert "rusy attach" in console.text()
    console.keep("detached")
    status = home.told("status")
    assert (status["phase"], status["positions"]) == ("running", 1)
    assert len(exchange.stops()) == 1

    # It is found again, and flattened by the typed word.
    attached = terminal("attach")
    attached.wait(guarded, 20.0, "the guarded position")
    attached.keep("attached")
    attached.press("F")
    attached.wait("type flatten", 5.0)
    attached.keep("flatten-question")
    attached.type("flatten")
    attached.press("Enter")
    wait_for(lambda: _is_empty(exchange), 30.0, "an empty account", or_say=attached.text)
    attached.wait("verified flat", 10.0)
    attached.keep("flat")
    told("flat_s", time.monotonic() - console.started_s)
    account = exchange.account()
    figures["account"] = {
        name: account[name]
        for name in ("positions", "open_orders", "open_algo_orders", "wallet")
    }
    told("fills", len(account["fills"]))
    assert home.rusy("stop").returncode == 0

    # Others may have come meanwhile.
    patience = told("patience", max(patience, _patience()))
    for number in range(1, _STARTS):
        if first_paint_s <= _FIRST_PAINT_S * patience and live_s <= _LIVE_S * patience:
            break
        paint_s, candles_s = _another_start(home.work / f"start-{number}", captures, options)
        first_paint_s = told("first_paint_s", min(first_paint_s, paint_s))
        live_s = told("live_candles_s", min(live_s, candles_s))
    assert first_paint_s <= _FIRST_PAINT_S * patience
    assert live_s <= _LIVE_S * patience
    assert proposal_s <= _PROPOSAL_S


def _another_start(
    folder: Path, captures: Path, options: tuple[str, ...]
) -> tuple[float, float]:
    """Seconds to the first paint and to live candles, in a home that is as clean."""
    folder.mkdir()
    with closing_all(Home(folder / "home")) as home:
        console = Terminal(home, captures, "demo", *options)
        try:
            paint_s = _first_paint(console)
            _live(console)
            return paint_s, time.monotonic() - console.started_s
        finally:
            console.close()


def _is_empty(exchange: Exchange) -> bool:
    account = exchange.account()
    return not (account["positions"] or account["open_orders"] or account["open_algo_orders"])
