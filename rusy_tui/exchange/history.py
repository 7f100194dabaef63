"""Reads of what has happened: executions and ledger, page by page, none lost at an edge."""

from collections.abc import Callable

from rusy_tui.domain.account import Income
from rusy_tui.domain.order import Fill
from rusy_tui.exchange import account_replies
from rusy_tui.exchange.client import Params
from rusy_tui.exchange.requests import Requests
from rusy_tui.exchange.weights import Cost, Priority

_PAGE = 1000
_WEEK_MS = 7 * 24 * 3600 * 1000
_FILLS = Cost(weight=5, priority=Priority.RECONCILE)
_INCOME = Cost(weight=30, priority=Priority.RECONCILE)


async def fills(
    requests: Requests, exchange_ms: Callable[[], int], symbol: str, since_ms: int
) -> list[Fill]:
    """Executions of a symbol from a time on (exchange time), ascending by trade id."""
    found: dict[int, Fill] = {}
    start_ms = since_ms
    while True:
        # By time at most a week at once; the exchange counts both ends.
        end_ms = start_ms + _WEEK_MS - 1
        times = {"startTime": str(start_ms), "endTime": str(end_ms)}
        page = await _fills_page(requests, symbol, times)
        full = len(page) >= _PAGE
        found |= {fill.exchange_trade_id: fill for fill in page}
        # By id there is no limit of time: once a page is full, this leads to the end.
        while len(page) >= _PAGE:
            after = page[-1].exchange_trade_id + 1
            page = await _fills_page(requests, symbol, {"fromId": str(after)})
            found |= {fill.exchange_trade_id: fill for fill in page}
        if full or end_ms >= exchange_ms():
            return [found[trade_id] for trade_id in sorted(found)]
        start_ms = end_ms + 1


async def fills_from(requests: Requests, symbol: str, trade_id: int) -> list[Fill]:
    """Executions of a symbol from a trade id on, that one too, ascending."""
    found: list[Fill] = []
    page = await _fills_page(requests, symbol, {"fromId": str(trade_id)})
    while len(page) >= _PAGE:
        found += page
        after = page[-1].exchange_trade_id + 1
        page = await _fills_page(requests, symbol, {"fromId": str(after)})
    return [*found, *page]


async def income(requests: Requests, since_ms: int, until_ms: int) -> list[Income]:
    """Ledger entries in [since_ms, until_ms], ascending by time."""
    found: dict[str, Income] = {}
    start_ms = since_ms
    while start_ms <= until_ms:
        page = await requests.read(
            "income",
            {"startTime": str(start_ms), "endTime": str(until_ms), "limit": str(_PAGE)},
            _INCOME,
            account_replies.incomes,
        )
        found |= {entry.income_id: entry for entry in page}
        if len(page) < _PAGE:
            break
        # From the last time again, which may hold more entries than fitted.
        last_ms = max(entry.time_ms for entry in page)
        start_ms = last_ms if last_ms > start_ms else start_ms + 1
    return sorted(found.values(), key=lambda entry: (entry.time_ms, entry.income_id))


async def _fills_page(requests: Requests, symbol: str, params: Params) -> list[Fill]:
    return await requests.read(
        "userTrades",
        {"symbol": symbol, "limit": str(_PAGE), **params},
        _FILLS,
        account_replies.fills,
    )
