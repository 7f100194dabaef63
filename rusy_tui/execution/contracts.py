"""The contracts as the exchange announces them now, and where nobody may enter.

Read at the start, every hour, and as soon as a stream says that one has changed: a changed
filter, bracket or status holds from then on. Exits never ask here whether they may go.
"""

import datetime

import msgspec
import structlog

from rusy_tui.domain.clock import Clock
from rusy_tui.domain.errors import ConfigurationError, ExchangeError, UnreachableError
from rusy_tui.domain.instrument import Bracket, Instrument
from rusy_tui.exchange.port import ExchangePort
from rusy_tui.execution.symbols import unknown_symbol

log = structlog.get_logger("exec")

# How often the exchange is asked without being told of a change; wall seconds.
REFRESH_S = 3600.0
# A reading that failed is tried again after this; wall seconds.
RETRY_S = 5.0
# No entries from so long before a contract's end; market ms.
BEFORE_THE_END_MS = 24 * 3_600_000
# Openings that the exchange refused are tried again after this; wall seconds. It names no
# time itself, and each try only costs a refusal.
BARRED_S = 900.0


class Contracts:
    """Filters and brackets of the traded symbols, and what closes one of them to entries.

    Args:
        exchange: that is asked.
        clock: market time for ends, wall time for waiting.
        symbols: traded.
    """

    def __init__(self, exchange: ExchangePort, clock: Clock, symbols: tuple[str, ...]) -> None:
        self._exchange = exchange
        self._clock = clock
        self._symbols = symbols
        # Changed in place: whoever holds them sees what holds now.
        self.instruments: dict[str, Instrument] = {}
        self.brackets: dict[str, tuple[Bracket, ...]] = {}
        self._barred: dict[str, tuple[str, float]] = {}

    async def read(self) -> None:
        """Read everything for the first time.

        Raises:
            ConfigurationError: a configured symbol is not traded.
            ExchangeError, UnreachableError: the exchange could not be read.
        """
        self.instruments |= await self._exchange.instruments()
        for symbol in self._symbols:
            if symbol not in self.instruments or not self.instruments[symbol].trading:
                raise ConfigurationError(unknown_symbol(symbol, self.instruments))
        await self._read_brackets()

    async def refresh(self) -> tuple[str, ...]:
        """Read everything anew; what has changed of traded symbols, in words.

        Raises:
            ExchangeError, UnreachableError: the exchange could not be read; all is as before.
        """
        found = await self._exchange.instruments()
        changes: list[str] = []
        former = dict(self.brackets)
        await self._read_brackets()
        for symbol in self._symbols:
            # One that is announced no more keeps its filters: exits are still rounded by them.
            now = found.get(symbol) or _ended(self.instruments[symbol])
            changes += _differences(self.instruments[symbol], now)
            found = {**found, symbol: now}
            if self.brackets[symbol] != former[symbol]:
                changes.append(f"{symbol} has other leverage brackets")
        self.instruments.clear()
        self.instruments |= found
        return tuple(changes)

    async def refresh_until_read(self) -> tuple[str, ...]:
        """As :meth:`refresh`, tried until the exchange answers."""
        while True:
            try:
                return await self.refresh()
            except (ExchangeError, UnreachableError) as error:
                log.warning("contracts not read anew", why=str(error))
            await self._clock.sleep(RETRY_S)

    def bar(self, symbol: str, why: str) -> None:
        """The exchange refuses what opens in a symbol: no entries there for a while."""
        self._barred[symbol] = (why, self._clock.monotonic_s() + BARRED_S)

    def closed(self) -> dict[str, str]:
        """The traded symbols that nobody may enter now, each with why."""
        found: dict[str, str] = {}
        for symbol in self._symbols:
            why = self._why_closed(symbol)
            if why is not None:
                found[symbol] = why
        return found

    def _why_closed(self, symbol: str) -> str | None:
        instrument = self.instruments.get(symbol)
        if instrument is None:
            return f"{symbol} is not known yet"
        if not instrument.trading:
            return f"{symbol} is not trading"
        end_ms = instrument.delivery_ms
        if end_ms is not None and self._clock.market_ms() >= end_ms - BEFORE_THE_END_MS:
            return f"{symbol} is delisted at {_moment(end_ms)}"
        why, until_s = self._barred.get(symbol, ("", 0.0))
        if why and self._clock.monotonic_s() < until_s:
            return f"{symbol}: openings are barred: {why}"
        return None

    async def _read_brackets(self) -> None:
        found = await self._exchange.all_brackets()
        # One that is announced no more keeps its brackets, as it does its filters.
        self.brackets |= {
            symbol: tuple(found[symbol]) for symbol in self._symbols if symbol in found
        }


def _ended(instrument: Instrument) -> Instrument:
    return msgspec.structs.replace(instrument, trading=False)


def _moment(time_ms: int) -> str:
    moment = datetime.datetime.fromtimestamp(time_ms / 1000, tz=datetime.UTC)
    return moment.strftime("%Y-%m-%d %H:%MZ")


def _differences(before: Instrument, now: Instrument) -> list[str]:
    """What is other than before, a line each."""
    return [
        f"{now.symbol} {name.replace('_', ' ')}: {was} → {new}"
        for name in before.__struct_fields__
        if (was := getattr(before, name)) != (new := getattr(now, name))
    ]
