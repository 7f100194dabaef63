"""What is set for account, key and symbol, as read from a scripted exchange."""

import json
from decimal import Decimal

import pytest

from rusy_tui.clock import LockstepClock
from rusy_tui.domain.account import KeyPermissions, SymbolSettings
from rusy_tui.domain.errors import ExchangeError
from rusy_tui.exchange import market_replies
from rusy_tui.exchange.binance import BinanceExchange
from tests.exchange.scripted import Answer, ScriptedExchange, in_lockstep
from tests.exchange.wire_samples import EXCHANGE_INFO

RESTRICTIONS = {
    "ipRestrict": True, "createTime": 1698645219000, "enableReading": True,
    "enableWithdrawals": False, "enableInternalTransfer": False, "enableMargin": False,
    "enableFutures": True, "permitsUniversalTransfer": False,
    "enableVanillaOptions": False, "enableSpotAndMarginTrading": False,
}  # fmt: skip


def test_symbol_settings_and_brackets() -> None:
    async def scenario(
        scripted: ScriptedExchange, exchange: BinanceExchange, clock: LockstepClock
    ) -> None:
        await exchange.connect()
        config = {
            "symbol": "BTCUSDT", "marginType": "CROSSED", "isAutoAddMargin": False,
            "leverage": 21, "maxNotionalValue": "1000000",
        }  # fmt: skip
        scripted.script("GET v1/symbolConfig", Answer([config]), Answer([]))
        assert await exchange.symbol_settings("BTCUSDT") == SymbolSettings(
            symbol="BTCUSDT", leverage=21, isolated=False
        )
        with pytest.raises(ExchangeError, match="does not name BTCUSDT"):
            await exchange.symbol_settings("BTCUSDT")
        rows = [
            {"bracket": 2, "initialLeverage": 75, "notionalCap": 250000,
             "notionalFloor": 50000, "maintMarginRatio": 0.005, "cum": 50.5},
            {"bracket": 1, "initialLeverage": 125, "notionalCap": 50000,
             "notionalFloor": 0, "maintMarginRatio": 0.004, "cum": 0},
        ]  # fmt: skip
        table = {"symbol": "BTCUSDT", "brackets": rows}
        # With a symbol the exchange documents one object, and lists are seen.
        scripted.script("GET v1/leverageBracket", Answer(table), Answer([table]))
        for _ in range(2):
            low, high = await exchange.brackets("BTCUSDT")
            assert (low.max_leverage, high.floor) == (125, Decimal(50000))
            assert high.maintenance_rate == Decimal("0.005")
            assert high.cumulative == Decimal("50.5")

    in_lockstep(scenario)


def test_what_the_key_may_do_is_unknown_where_nobody_tells() -> None:
    async def scenario(
        scripted: ScriptedExchange, exchange: BinanceExchange, clock: LockstepClock
    ) -> None:
        await exchange.connect()
        assert await exchange.key_permissions() is None

    in_lockstep(scenario)


def test_what_the_key_may_do_is_read() -> None:
    async def scenario(
        scripted: ScriptedExchange, exchange: BinanceExchange, clock: LockstepClock
    ) -> None:
        await exchange.connect()
        scripted.script(
            "GET sapi/v1/account/apiRestrictions",
            Answer(RESTRICTIONS, headers={"X-MBX-USED-WEIGHT-1M": "999"}),
        )
        assert await exchange.key_permissions() == KeyPermissions(
            may_withdraw=False, may_trade_futures=True, bound_to_addresses=True
        )
        (request,) = scripted.requests("GET sapi/v1/account/apiRestrictions")
        assert "signature" in request.params
        # Another host's count is not ours.
        assert exchange.status().weight_used < 10
        assert exchange.status().weight_limit == 2400

    in_lockstep(scenario, tells_keys=True)


def test_only_an_announced_end_is_a_delivery() -> None:
    (one, *_) = EXCHANGE_INFO["symbols"]
    for date, expected in ((4133404800000, None), (1_800_000_000_000, 1_800_000_000_000)):
        info = {**EXCHANGE_INFO, "symbols": [{**one, "deliveryDate": date}]}
        found, _ = market_replies.instruments(json.dumps(info).encode())
        assert found["BTCUSDT"].delivery_ms == expected
