"""What commands print: aligned text for people, JSON for programs."""

import datetime
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from rusy_tui.domain.history import BackfillProgress
from rusy_tui.domain.proposal import Proposal
from rusy_tui.domain.state import Connection, OrderView, PositionView, State
from rusy_tui.domain.trade import Trade


def as_json(value: Any) -> str:
    """A value on one line; amounts are strings, so that no digit is lost."""
    return msgspec.json.encode(value).decode()


def status_fields(state: State, pid: int) -> dict[str, Any]:
    """What `rusy status --json` prints."""
    return {
        "venue": state.venue,
        "version": state.version,
        "pid": pid,
        "phase": state.phase,
        "progress": state.progress,
        "mode": state.mode,
        "gates": state.gates,
        "market_ms": state.market_ms,
        "speed": state.pace.speed if state.pace is not None else 1.0,
        "model_version": state.model_version,
        "symbols": state.symbols,
        "account": state.account,
        "connection": state.connection,
        "history": state.history,
        "positions": len(state.positions),
        "orders": len(state.orders),
        "proposals": len(state.proposals),
    }


def status(state: State, pid: int) -> str:
    """What `rusy status` prints."""
    account = state.account
    phase = f"{state.phase}: {state.progress}" if state.progress else state.phase
    lines = [
        f"{state.venue.upper()}  {phase}  (process {pid}, Rusy {state.version})",
        f"mode       {state.mode}",
        *_gates(state),
        f"market     {moment(state.market_ms)}  {', '.join(state.symbols) or 'no pairs yet'}",
        f"model      {state.model_version or 'none yet'}",
        f"equity     {amount(account.equity)} USDT  today {signed(account.day_pnl)}",
        f"risk left  {amount(account.day_loss_left)} of {amount(account.day_loss_limit)} USDT",
        f"connected  {_connected(state.connection)}",
        f"exchange   {_exchange(state.connection)}",
        *_history(state.history),
        f"open       {_counts(state)}",
    ]
    return "\n".join(lines)


def positions(rows: Sequence[PositionView]) -> str:
    """What `rusy positions` prints."""
    head = ("symbol", "quantity", "entry", "mark", "PnL", "R", "stop", "liquidation", "guard")
    return table(
        "no open positions",
        head,
        (
            (
                row.symbol,
                plain(row.quantity),
                plain(row.entry_price),
                plain(row.mark_price),
                signed(row.unrealised_pnl),
                f"{row.r_multiple:+.2f}",
                plain(row.stop_price),
                plain(row.liquidation_price),
                f"#{row.protected_by}" if row.protected_by else "UNPROTECTED",
            )
            for row in rows
        ),
    )


def orders(rows: Sequence[OrderView]) -> str:
    """What `rusy orders` prints."""
    head = ("symbol", "purpose", "side", "kind", "quantity", "price", "trigger", "client id")
    return table(
        "no open orders",
        head,
        (
            (
                row.report.symbol,
                row.purpose,
                row.report.side,
                row.report.kind,
                "all" if row.report.close_position else plain(row.report.quantity),
                plain(row.report.price) if row.report.price else "",
                plain(row.report.trigger_price) if row.report.trigger_price else "",
                row.report.client_order_id,
            )
            for row in rows
        ),
    )


def proposals(rows: Sequence[Proposal]) -> str:
    """What `rusy proposals` prints: what `rusy approve ID REV` needs comes first."""
    head = ("id", "rev", "symbol", "side", "quantity", "entry", "stop", "risk", "good until")
    return table(
        "no proposals pend",
        head,
        (
            (
                str(row.proposal_id),
                row.revision,
                row.plan.symbol,
                row.plan.side.direction,
                plain(row.plan.quantity),
                plain(row.plan.entry_price),
                plain(row.plan.stop_price),
                f"{amount(row.plan.risk_usd)} USDT",
                moment(row.expires_ms),
            )
            for row in rows
        ),
    )


def trades(rows: Sequence[Trade]) -> str:
    """What `rusy trades` prints, oldest first."""
    head = ("trade", "symbol", "side", "state", "entered", "entry", "exit", "net", "ended by")
    return table(
        "no trades yet",
        head,
        (
            (
                row.trade_id,
                row.symbol,
                row.side.direction,
                row.state,
                plain(row.entered_quantity),
                plain(row.entry_average),
                plain(row.exit_average) if row.exited_quantity else "",
                signed(row.net_pnl),
                row.exit_reason or "",
            )
            for row in rows
        ),
    )


def table(nothing: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Columns as wide as they need be; figures stand on the right."""
    body = [list(row) for row in rows]
    if not body:
        return nothing
    columns = list(zip(head, *body, strict=True))
    widths = [max(len(cell) for cell in column) for column in columns]
    figures = [all(_is_figure(cell) for cell in column[1:]) for column in columns]
    lines = []
    for row in (head, *body):
        cells = zip(row, widths, figures, strict=True)
        aligned = (c.rjust(w) if right else c.ljust(w) for c, w, right in cells)
        lines.append("  ".join(aligned).rstrip())
    return "\n".join(lines)


def amount(value: Decimal) -> str:
    """An amount of USDT: two decimals, thin groups."""
    return f"{value:,.2f}".replace(",", " ")


def signed(value: Decimal) -> str:
    """A gain or loss in USDT, with its sign."""
    return f"{value:+,.2f}".replace(",", " ")


def plain(value: Decimal) -> str:
    """A price or quantity, without an exponent and without zeros that say nothing.

    A division may have made it: eight decimals are more than any price has.
    """
    text = format(round(value, 8), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def moment(ms: int) -> str:
    """A moment in UTC, to the second; a dash for one that is not known yet."""
    if not ms:
        return "–"
    stamp = datetime.datetime.fromtimestamp(ms / 1000, tz=datetime.UTC)
    return stamp.strftime("%Y-%m-%d %H:%M:%S UTC")


def _gates(state: State) -> list[str]:
    if not state.gates:
        return ["gates      all open"]
    return [f"gate       {gate.name}: {gate.why}; opens: {gate.opens}" for gate in state.gates]


def _connected(link: Connection) -> str:
    parts = {
        "market": link.market_stream,
        "account": link.user_stream,
        "database": link.database,
    }
    return ", ".join(f"{name} {_yes(there)}" for name, there in parts.items())


def _exchange(link: Connection) -> str:
    """The request budget, and how well the exchange's time is known."""
    if not link.weight_limit:
        return "not asked yet"
    parts = [f"weight {link.weight_used} of {link.weight_limit} a minute"]
    if link.requests_waiting:
        parts.append(f"{link.requests_waiting} requests wait")
    if link.closed_for_s:
        parts.append(f"takes no requests for {link.closed_for_s:.0f} s")
    parts.append(f"clock {link.offset_ms:+d} ± {link.offset_error_ms} ms")
    return ", ".join(parts)


def _history(history: BackfillProgress | None) -> list[str]:
    """How far the history that is being fetched is; nothing once it is whole."""
    if history is None:
        return []
    left = history.seconds_left
    minutes = "" if left is None else f", {max(1, round(left / 60))} min left"
    rows = f"{history.rows_done:,} of {history.rows_total:,} bars"
    return [f"history    {history.share:.0%}, {rows}{minutes}"]


def _counts(state: State) -> str:
    parts = {
        "positions": state.positions,
        "orders": state.orders,
        "proposals": state.proposals,
    }
    return ", ".join(f"{len(rows)} {name}" for name, rows in parts.items())


def _yes(there: bool) -> str:
    return "yes" if there else "no"


def _is_figure(cell: str) -> bool:
    return not cell or cell.lstrip("+-").replace(".", "").replace(" ", "").isdigit()
