"""Who is deleveraged first: the exchange's ADL indicator of a position."""

from collections.abc import Iterable
from decimal import Decimal

from rusy_tui.domain.money import ZERO
from rusy_tui.simulator.account import Account, Position
from rusy_tui.simulator.market import SymbolMarket

_HIGHEST = 4


def adl_quantile(accounts: Iterable[Account], account: Account, market: SymbolMarket) -> int:
    """Where a position stands in the queue, 0 (last) to 4 (first); 0 without one.

    Among all positions of the same side, by profit over margin times leverage, as the
    exchange explains its ranking in words; its figures are not published. Alone, a position
    is the last.
    """
    position = account.positions.get(market.symbol)
    if position is None or not position.quantity:
        return 0
    ours = _score(account, position, market.mark)
    scores = []
    for each in accounts:
        theirs = each.positions.get(market.symbol)
        if theirs is not None and theirs.sign == position.sign:
            scores.append(_score(each, theirs, market.mark))
    below = sum(score < ours for score in scores)
    return _HIGHEST * below // max(len(scores) - 1, 1)


def _score(account: Account, position: Position, mark: Decimal) -> Decimal:
    leverage = account.setting(position.symbol).leverage
    profit = position.unrealised(mark)
    # A loss ranks lower the more leverage it has, a profit higher.
    return profit / position.basis * (leverage if profit > ZERO else Decimal(1) / leverage)
