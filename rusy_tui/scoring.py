"""From a closed bar to a proposal: window, features, vote, plan."""

import msgspec

from rusy_tui.decide.strategy import NoPlan, Thresholds, side_of, work_out
from rusy_tui.desk.desk import Desk
from rusy_tui.desk.gates import Gates
from rusy_tui.desk.outlook import Outlook
from rusy_tui.domain.bars import Bars
from rusy_tui.domain.candle import Candle, Interval
from rusy_tui.domain.clock import Clock
from rusy_tui.domain.errors import ModelError
from rusy_tui.domain.money import ZERO, exact
from rusy_tui.domain.order import Side
from rusy_tui.domain.settings import Settings
from rusy_tui.domain.signal import Prediction
from rusy_tui.domain.trade import ExitReason
from rusy_tui.ensemble.runtime import Ensemble
from rusy_tui.ensemble.scoreboard import Scoreboard
from rusy_tui.execution.account import AccountKeeper
from rusy_tui.execution.executor import Executor
from rusy_tui.features.indicators import screen_indicators
from rusy_tui.market.source import BarSource
from rusy_tui.store.store import Store
from rusy_tui.teller import Teller

# A bar that closed longer ago than this is scored, but nothing is proposed of it (P5), and it
# ends no trade: what is said of the market is no longer so.
FRESH_BAR_MS = 300_000


class Scoring:
    """Scores every closed 15m bar, keeps the score, and proposes what is sure enough."""

    def __init__(
        self,
        *,
        settings: Settings,
        clock: Clock,
        store: Store,
        bars: BarSource,
        ensemble: Ensemble,
        desk: Desk,
        gates: Gates,
        executor: Executor,
        account: AccountKeeper,
        outlook: Outlook,
        teller: Teller,
    ) -> None:
        manifest = ensemble.manifest
        self._settings = settings
        self._clock = clock
        self._store = store
        self._bars = bars
        self._ensemble = ensemble
        self._desk = desk
        self._gates = gates
        self._executor = executor
        self._account = account
        self._outlook = outlook
        self._teller = teller
        self._scoreboard = Scoreboard(horizon_bars=manifest.horizon.bars)
        configured = settings.ensemble
        self._thresholds = Thresholds(
            long=configured.long_probability or manifest.thresholds.long,
            short=configured.short_probability or manifest.thresholds.short,
        )

    async def on_bar(self, candle: Candle) -> None:
        """Judge the predictions whose horizon ends here, then score this bar."""
        self._scoreboard.closed(candle)
        symbol, close_ms = candle.symbol, candle.close_time_ms
        hour_ms = Interval.H1.floor(close_ms) - Interval.H1.ms
        if not await self._bars.await_bar(symbol, Interval.H1, hour_ms):
            self._teller.say("bar", f"{symbol}: no vote: its last hour is not there", "ask")
            return
        quarters = await self._bars.window(symbol, Interval.M15, close_ms)
        hours = await self._bars.window(symbol, Interval.H1, close_ms)
        await self._keep_outcomes(symbol, quarters)
        try:
            prediction, features = await self._ensemble.judge(
                symbol, quarters, hours, self._clock
            )
        except ModelError as error:
            self._teller.say("bar", f"no vote: {error}", "ask")
            return
        await self._store.predictions.add(prediction)
        self._scoreboard.predicted(prediction)
        self._teller.prediction(prediction, self._scoreboard)
        side = side_of(prediction, self._thresholds)
        verdict = side.direction.upper() if side is not None else "no trade"
        vote = f"vote {prediction.probability:.3f} {verdict}"
        self._teller.say("bar", f"{symbol} 15m closed, whole; {vote}")
        await self._keep_decision(prediction, features)
        await self._act(side, prediction, quarters, close_ms)

    async def _act(
        self, side: Side | None, prediction: Prediction, quarters: Bars, close_ms: int
    ) -> None:
        symbol = prediction.symbol
        stale = self._clock.market_ms() - close_ms > FRESH_BAR_MS
        life = self._executor.lives.get(symbol)
        if life is not None:
            against = side is life.trade.side.opposite
            exits = self._settings.strategy.opposite_signal_exit and not stale
            if against and life.open and exits:
                self._executor.ask_exit(symbol, ExitReason.OPPOSITE_SIGNAL)
            return
        book = self._outlook.book(symbol)
        if side is None or stale or book is None or not self._gates.open:
            return
        atr = float(screen_indicators(quarters).atr_14[-1])
        plan = work_out(
            side,
            prediction,
            instrument=self._account.contracts.instruments[symbol],
            brackets=self._account.contracts.brackets[symbol],
            book=book,
            atr=exact(atr) if atr > 0 else ZERO,
            # A proposal that pends for this symbol will be superseded, so it does not count.
            holdings=self._outlook.holdings(self._desk.pending_holdings(besides=symbol)),
            fees=self._account.fees[symbol],
            strategy=self._settings.strategy,
            limits=self._settings.risk,
        )
        if isinstance(plan, NoPlan):
            payload = {"side": side, **msgspec.to_builtins(plan)}
            subject = f"{symbol} {prediction.bar_open_ms}"
            now_ms = self._clock.market_ms()
            await self._store.journal.append("refusal", subject, payload, now_ms)
            name = f"{side.direction.upper()} {symbol}"
            self._teller.say("risk", f"{name} refused: {plan.rule}: {plan.figures}", "down")
            return
        await self._desk.propose(plan)

    async def _keep_decision(
        self, prediction: Prediction, features: dict[str, float | None]
    ) -> None:
        payload = {
            "prediction": msgspec.to_builtins(prediction),
            "features": features,
            "thresholds": msgspec.to_builtins(self._thresholds),
        }
        subject = f"{prediction.symbol} {prediction.bar_open_ms}"
        now_ms = self._clock.market_ms()
        await self._store.journal.append("decision", subject, payload, now_ms)

    async def _keep_outcomes(self, symbol: str, bars: Bars) -> None:
        """Write the returns beside the predictions whose horizon has ended.

        Asked of the table, so that a restart in between loses none; one whose bars lie before
        the window stays without.
        """
        interval = bars.interval
        horizon_ms = self._scoreboard.horizon_bars * interval.ms
        ended_ms = int(bars.open_time_ms[-1]) - horizon_ms
        predictions = self._store.predictions
        for waiting in await predictions.without_outcome(symbol, interval, ended_ms + 1):
            entry_ms, exit_ms = (
                waiting.bar_open_ms + interval.ms,
                waiting.bar_open_ms + horizon_ms,
            )
            entry = (bars.open_time_ms == entry_ms).nonzero()[0]
            exit_ = (bars.open_time_ms == exit_ms).nonzero()[0]
            if len(entry) and len(exit_):
                outcome = float(bars.close[exit_[0]]) / float(bars.open[entry[0]]) - 1
                await predictions.set_outcome(waiting, outcome, exit_ms + interval.ms)
