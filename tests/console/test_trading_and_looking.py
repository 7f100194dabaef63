"""All other keys: halt, flatten, close, mode, and what is looked at."""

from rusy_tui.console.panels.line_panel import LinePanel
from rusy_tui.domain.commands import CloseTrade, Flatten, Halt, Resume, SetMode
from rusy_tui.domain.events import CandleMoved, Logged, ProposalChanged
from rusy_tui.domain.modes import Mode
from rusy_tui.domain.state import ChartBar, LogLine
from tests.console import sample
from tests.console.scripted import HeldConsole, settled

SIZE = (120, 40)


async def test_flatten_wants_the_typed_word() -> None:
    async with HeldConsole(sample.holding()).run_test(size=SIZE) as pilot:
        app = await settled(pilot)
        await pilot.press("F", *"yes", "enter")
        assert app.screen is not app.main
        assert app.link.sent() == []
        await pilot.press(*"flatten", "enter")
        await settled(pilot)
        (sent,) = app.link.sent()
        assert isinstance(sent, Flatten)
        assert sent.symbol is None


async def test_flatten_is_left_by_escape() -> None:
    async with HeldConsole(sample.holding()).run_test(size=SIZE) as pilot:
        app = await settled(pilot)
        await pilot.press("F", *"flatten", "escape")
        assert app.screen is app.main
        assert app.link.sent() == []


async def test_letters_typed_into_a_dialog_do_nothing_else() -> None:
    async with HeldConsole(sample.deciding()).run_test(size=SIZE) as pilot:
        app = await settled(pilot)
        await pilot.press("F", "a", str(sample.proposal().digit), "q", "H", "escape")
        await settled(pilot)
        assert app.link.sent() == []
        assert app.watch_state.arming.armed is None


async def test_halt_and_resume_are_one_key() -> None:
    async with HeldConsole(sample.watching()).run_test(size=SIZE) as pilot:
        app = await settled(pilot)
        await pilot.press("H")
        await settled(pilot)
        assert isinstance(app.link.sent()[-1], Halt)
    async with HeldConsole(sample.halted()).run_test(size=SIZE) as pilot:
        app = await settled(pilot)
        await pilot.press("H")
        await settled(pilot)
        assert isinstance(app.link.sent()[-1], Resume)


async def test_a_mode_is_chosen_by_one_key() -> None:
    async with HeldConsole(sample.watching()).run_test(size=SIZE) as pilot:
        app = await settled(pilot)
        await pilot.press("m", "m")
        await settled(pilot)
        (sent,) = app.link.sent()
        assert isinstance(sent, SetMode)
        assert sent.mode is Mode.MANUAL


async def test_auto_wants_its_name_typed() -> None:
    async with HeldConsole(sample.watching()).run_test(size=SIZE) as pilot:
        app = await settled(pilot)
        await pilot.press("m", "u")
        await settled(pilot)
        assert app.link.sent() == []
        await pilot.press(*"auto", "enter")
        await settled(pilot)
        (sent,) = app.link.sent()
        assert isinstance(sent, SetMode)
        assert sent.mode is Mode.AUTO


async def test_close_asks_and_names_the_shown_pair() -> None:
    async with HeldConsole(sample.holding()).run_test(size=SIZE) as pilot:
        app = await settled(pilot)
        await pilot.press("x")
        await settled(pilot)
        assert "no open position in BTCUSDT" in app.text()
        await pilot.press("s", "x", "n", "y")
        await settled(pilot)
        (sent,) = app.link.sent()
        assert isinstance(sent, CloseTrade)
        assert sent.symbol == "ETHUSDT"


async def test_symbols_and_timeframes_take_turns() -> None:
    async with HeldConsole(sample.watching()).run_test(size=SIZE) as pilot:
        app = await settled(pilot)
        await pilot.press("s", "t")
        assert "CHART ETHUSDT 1h" in app.text()
        await pilot.press("s", "s", "t")
        assert "CHART BTCUSDT 15m" in app.text()


async def test_the_log_is_filtered_by_topic_and_by_words() -> None:
    async with HeldConsole(sample.watching()).run_test(size=SIZE) as pilot:
        app = await settled(pilot)
        app.link.push(Logged(LogLine(at_ms=sample.MARKET_MS, topic="desk", text="two\nlines")))
        await settled(pilot)
        assert "two lines" in app.text()
        await pilot.press("l")
        assert "only desk" in app.text()
        assert "market stream replaced" not in app.text()
        await pilot.press("slash", *"approved", "enter")
        assert "proposal 16 approved" in app.text()
        assert "two lines" not in app.text()


async def test_help_shows_each_key_and_any_key_closes_it() -> None:
    async with HeldConsole(sample.watching()).run_test(size=(80, 24)) as pilot:
        app = await settled(pilot)
        await pilot.press("question_mark")
        assert app.screen is not app.main
        await pilot.press("H")
        assert app.screen is app.main
        assert app.link.sent() == []


async def test_a_smaller_terminal_says_so_and_a_larger_one_brings_all_back() -> None:
    async with HeldConsole(sample.watching()).run_test(size=(120, 40)) as pilot:
        app = await settled(pilot)
        await pilot.press("s")
        await pilot.resize_terminal(70, 20)
        await settled(pilot)
        assert "This terminal is 70 × 20." in app.text()
        assert "needs 80 × 24" in app.text()
        app.link.push(ProposalChanged(sample.proposal(21, "SOLUSDT")))
        await pilot.resize_terminal(80, 24)
        await settled(pilot)
        assert "PROPOSAL 21" in app.text()
        assert "This terminal" not in app.text()


async def test_only_the_live_candle_is_drawn_again_when_a_price_moves() -> None:
    async with HeldConsole(sample.watching()).run_test(size=SIZE) as pilot:
        app = await settled(pilot)
        history = app.main.query_one("#chart", LinePanel)
        live = app.main.query_one("#live", LinePanel)
        before, live_before = history.lines, live.lines
        bar = sample.CHARTS["BTCUSDT 15m"].forming
        assert bar is not None
        moved = ChartBar(
            bar.open_time_ms, bar.open, bar.high, bar.low, bar.close * 0.9995, bar.volume
        )
        app.link.push(CandleMoved("BTCUSDT", "15m", moved))
        await settled(pilot)
        assert history.lines is before
        assert live.lines != live_before
