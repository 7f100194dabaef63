"""The contracts that markets are played in, with the filters the exchange announces."""

import math
from collections.abc import Iterable
from decimal import Decimal

import msgspec

from rusy_tui.domain.instrument import Instrument
from rusy_tui.domain.money import exact

_PERPETUAL = "PERPETUAL"
# The date all contracts of the first year and many later ones announce: 2019-09-25 UTC.
_ONBOARD_MS = 1_569_398_400_000

# Ticks are written with the digits of the announced pricePrecision (2 of BTCUSDT, 4 of
# SOLUSDT), as the exchange writes them.
# symbol: tick, least and greatest price (USDT); step, greatest quantity and greatest market
# quantity (base asset); least notional (USDT). Ticks and steps are those of /fapi/v1/
# exchangeInfo in 2025 and agree with the decimals of candles recorded then. The other figures
# of BTC, ETH and SOL stood in recorded answers; for the rest they are of the same order as the
# exchange's and nothing more.
_KNOWN = {
    "BTCUSDT": ("0.10", "556.80", "4529764", "0.001", "1000", "120", "100"),
    "ETHUSDT": ("0.01", "39.86", "306177", "0.001", "10000", "2000", "20"),
    "SOLUSDT": ("0.0100", "0.4200", "6857", "0.01", "1000000", "5000", "5"),
    "BNBUSDT": ("0.010", "6.600", "100000", "0.01", "100000", "2000", "5"),
    "XRPUSDT": ("0.0001", "0.0143", "100000", "0.1", "10000000", "2000000", "5"),
    "LINKUSDT": ("0.001", "0.430", "100000", "0.01", "1000000", "20000", "20"),
    "FILUSDT": ("0.001", "0.083", "100000", "0.1", "1000000", "50000", "5"),
    "NEARUSDT": ("0.0010", "0.0230", "100000", "1", "1000000", "100000", "5"),
    "LTCUSDT": ("0.01", "3.61", "100000", "0.001", "1000000", "10000", "20"),
    "DOTUSDT": ("0.001", "0.237", "100000", "0.1", "1000000", "50000", "5"),
}
_QUOTES = ("USDT", "USDC", "BUSD")


def known_symbols() -> tuple[str, ...]:
    """The symbols whose filters are on record, ascending."""
    return tuple(sorted(_KNOWN))


def known(symbol: str) -> Instrument | None:
    """The contract of a symbol on record; None for any other."""
    row = _KNOWN.get(symbol)
    if row is None:
        return None
    tick, least, greatest, step, most, market_most, notional = map(Decimal, row)
    return _instrument(
        symbol, tick, (least, greatest), step, (most, market_most), notional, _ONBOARD_MS
    )


def as_written(instrument: Instrument) -> Instrument:
    """A contract with its tick in the digits on record, where it is the tick on record.

    Whoever read it from the exchange may have dropped the zeros at its end.
    """
    contract = known(instrument.symbol)
    if contract is None or contract.tick_size != instrument.tick_size:
        return instrument
    return msgspec.structs.replace(instrument, tick_size=contract.tick_size)


def of_recording(
    symbol: str, prices: Iterable[float], volumes: Iterable[float], first_ms: int
) -> Instrument:
    """The contract a recording was traded in.

    Filters changed over the years (SOLUSDT had a tick of 0.001 and a step of 1 in 2023), so
    a recording that is finer than the filters on record has the last word; a symbol that is
    not on record gets all its filters from its recording.

    Args:
        symbol: as on the exchange.
        prices: of the recording, USDT.
        volumes: of the recording, base asset.
        first_ms: the recording's first bar; the contract is at least as old.
    """
    tick = _grid(prices, share=1.0)
    # Volumes may be sums in binary: the odd one with a dozen decimals is no finer step.
    step = _grid(volumes, share=0.99)
    contract = known(symbol)
    if contract is None:
        market_most = step * 1_000_000
        return _instrument(
            symbol,
            tick,
            (tick, tick * 10_000_000),
            step,
            (market_most * 10, market_most),
            Decimal(5),
            first_ms,
        )
    # Where they are equal it is the announced one, which is written with its precision.
    tick, step = min(contract.tick_size, tick), min(contract.step_size, step)
    return _instrument(
        symbol,
        tick,
        (contract.min_price, contract.max_price),
        step,
        (contract.max_quantity, contract.market_max_quantity),
        contract.min_notional,
        min(first_ms, contract.onboard_ms),
    )


def _grid(values: Iterable[float], share: float) -> Decimal:
    """The power of ten, at most 1, that the given share of values are multiples of."""
    decimals = sorted(_decimals(value) for value in set(values))
    return Decimal(1).scaleb(-decimals[math.ceil(share * len(decimals)) - 1])


def _decimals(value: float) -> int:
    exponent = exact(value).normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def _instrument(
    symbol: str,
    tick: Decimal,
    prices: tuple[Decimal, Decimal],
    step: Decimal,
    most: tuple[Decimal, Decimal],
    min_notional: Decimal,
    onboard_ms: int,
) -> Instrument:
    quote = next((quote for quote in _QUOTES if symbol.endswith(quote)), "USDT")
    return Instrument(
        symbol=symbol,
        contract_type=_PERPETUAL,
        base_asset=symbol.removesuffix(quote),
        quote_asset=quote,
        trading=True,
        tick_size=tick,
        min_price=prices[0],
        max_price=prices[1],
        step_size=step,
        min_quantity=step,
        max_quantity=most[0],
        market_step_size=step,
        market_min_quantity=step,
        market_max_quantity=most[1],
        min_notional=min_notional,
        price_factor_up=Decimal("1.0500"),
        price_factor_down=Decimal("0.9500"),
        onboard_ms=onboard_ms,
    )
