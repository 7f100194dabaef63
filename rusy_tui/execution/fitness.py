"""Is the account fit for trading, and what is set up on it before the first entry."""

from collections.abc import Callable, Container, Mapping

from rusy_tui.domain.account import SymbolSettings
from rusy_tui.domain.errors import ExchangeRefusal
from rusy_tui.exchange.port import ExchangePort

Say = Callable[[str, str], None]


async def judge_account(exchange: ExchangePort, recv_window_ms: int, say: Say) -> None:
    """Refuse an account, a key or a clock that Rusy can't trade with.

    Args:
        exchange: connected.
        recv_window_ms: how long a request stays valid, exchange time.
        say: a line for the log, text and tone.

    Raises:
        ExchangeRefusal: with the remedy.
        ExchangeError: the exchange could not be read.
    """
    _judge_clock(exchange.status().offset_ms, recv_window_ms)
    await _judge_key(exchange, say)
    settings = await exchange.account_settings()
    if settings.hedge_mode:
        raise ExchangeRefusal(
            "the account is in hedge mode; Rusy trades one-way: set the position mode to "
            "one-way on the exchange (it needs no open position or order) and start again"
        )
    if settings.multi_assets:
        raise ExchangeRefusal(
            "the account is in multi-assets mode; Rusy needs isolated margin: switch to "
            "single-asset mode on the exchange and start again"
        )
    if not settings.can_trade:
        raise ExchangeRefusal(
            "the account may not trade futures: enable futures for it and for this key"
        )


async def set_up(
    exchange: ExchangePort,
    symbols: tuple[str, ...],
    held: Container[str],
    leverage: int,
    say: Say,
) -> None:
    """Set isolated margin and leverage where nothing is held, and read back what is set.

    Under a position neither is changed; one that differs is said, and stays as it is until
    the position is closed.

    Raises:
        ExchangeRefusal: the exchange shows something else than was set.
        ExchangeError: the exchange could not be read, or refused.
    """
    for symbol in symbols:
        if symbol not in held:
            await exchange.set_isolated(symbol)
            await exchange.set_leverage(symbol, leverage)
    # One reading for all symbols weighs what one for one of them does.
    found = await exchange.all_symbol_settings()
    for symbol in symbols:
        difference = _difference(symbol, found, leverage)
        if difference is None:
            continue
        if symbol not in held:
            raise ExchangeRefusal(
                f"{difference}; the exchange took the setting and shows another: set it there "
                "by hand and start again"
            )
        say(f"{difference}; it stays so while the position is held", "ask")


def _judge_clock(offset_ms: int, recv_window_ms: int) -> None:
    if abs(offset_ms) > recv_window_ms:
        way = "behind" if offset_ms > 0 else "ahead of"
        raise ExchangeRefusal(
            f"this machine's clock is {abs(offset_ms) / 1000:.1f} s {way} the exchange's, more "
            f"than a request stays valid ({recv_window_ms / 1000:g} s): set the clock, for "
            "example with `timedatectl set-ntp true`, and start again"
        )


async def _judge_key(exchange: ExchangePort, say: Say) -> None:
    permissions = await exchange.key_permissions()
    if permissions is None:
        say("whether the API key may withdraw is unknown: this venue does not tell", "info")
        return
    if permissions.may_withdraw:
        raise ExchangeRefusal(
            "the API key may withdraw; Rusy takes no such key: switch withdrawals off in the "
            "key's settings on the exchange, or make a key without, and start again"
        )
    if not permissions.may_trade_futures:
        raise ExchangeRefusal(
            "the API key may not trade futures: enable futures in the key's settings on the "
            "exchange (a key made before the futures account needs to be made anew)"
        )
    if not permissions.bound_to_addresses:
        say("the API key is bound to no address: anybody who has it can use it", "ask")


def _difference(symbol: str, found: Mapping[str, SymbolSettings], leverage: int) -> str | None:
    """How a symbol's settings differ from what is wanted, both values named."""
    one = found.get(symbol)
    if one is None:
        return f"{symbol}: the exchange tells no settings; wanted is leverage {leverage}"
    if one.isolated and one.leverage == leverage:
        return None
    margin = "isolated" if one.isolated else "cross"
    return (
        f"{symbol}: the exchange has {margin} margin and leverage {one.leverage}, wanted are "
        f"isolated margin and {leverage}"
    )
