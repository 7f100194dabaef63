"""Rows that hold more than one domain value: what repositories give back."""

from decimal import Decimal
from typing import Any

import msgspec

from rusy_tui.domain.account import Income
from rusy_tui.domain.order import Fill, OrderIntent, OrderState
from rusy_tui.domain.signal import Prediction


class OrderRow(msgspec.Struct, frozen=True, kw_only=True):
    """An order: what we meant, and what became of it as far as we know.

    Times are market ms. Ids are "" and amounts zero as long as the exchange gave none;
    ``sent_ms`` is None while we don't know that it was sent.
    """

    intent: OrderIntent
    state: OrderState
    exchange_order_id: str
    triggered_order_id: str
    filled_quantity: Decimal
    average_price: Decimal
    sent_ms: int | None
    updated_ms: int
    reject_code: int | None
    reject_message: str


class FillRow(msgspec.Struct, frozen=True, kw_only=True):
    """An execution and the trade it belongs to, "" for none of ours."""

    fill: Fill
    trade_id: str


class FundingRow(msgspec.Struct, frozen=True, kw_only=True):
    """A funding payment and the trade that was open then, "" for none of ours."""

    income: Income
    trade_id: str


class PredictionRow(msgspec.Struct, frozen=True, kw_only=True):
    """A prediction, and what came of it; None until its horizon ended.

    ``outcome`` is the return over the horizon, a fraction; ``outcome_ms`` when it ended.
    """

    prediction: Prediction
    outcome: float | None
    outcome_ms: int | None


class JournalEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of the journal; ``at_ms`` is market time, ``payload`` plain JSON values."""

    entry_id: int
    at_ms: int
    kind: str
    subject: str
    payload: Any
