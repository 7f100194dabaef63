"""The official SDK against the program as a user starts it: nothing told but the addresses."""

import json
import subprocess
import sys
import types
from collections.abc import Generator
from typing import Any

import pytest

from tests.clients.sdk import hearing, rest
from tests.clients.serving import Keys

pytestmark = pytest.mark.timeout(60)

SYMBOL = "BTCUSDT"


@pytest.fixture
def said() -> Generator[Any]:
    """What `rusy simulator --json --port 0` says of itself."""
    command = [sys.executable, "-m", "rusy_tui.cli.main"]
    command += ["simulator", "--json", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield json.loads(process.stdout.readline())
        finally:
            process.kill()


async def test_the_sdk_trades_on_the_program_started_without_options(said: Any) -> None:
    here: Any = types.SimpleNamespace(rest_url=said["rest_url"], ws_url=said["ws_url"])
    account = said["accounts"][0]
    sdk: Any = rest(here, Keys(account["api_key"], account["api_secret"]))
    assert sdk.futures_account_balance_v3().data()[0].balance == "10000"
    listen_key = sdk.start_user_data_stream().data().listen_key
    async with hearing(here, lambda client: client.user_data(listen_key)) as heard:
        done = sdk.new_order(
            symbol=SYMBOL,
            side="BUY",
            type="MARKET",
            quantity=0.01,
            new_order_resp_type="RESULT",
        ).data()
        assert done.status == "FILLED"
        await heard.wait(lambda it: any(told.get("e") == "ACCOUNT_UPDATE" for told in it.raw))
    asked = sdk.query_order(SYMBOL, order_id=done.order_id).data()
    assert (asked.status, float(asked.executed_qty)) == ("FILLED", 0.01)
    resting = sdk.new_order(
        symbol=SYMBOL,
        side="BUY",
        type="LIMIT",
        time_in_force="GTC",
        quantity=0.01,
        price=round(float(asked.avg_price) * 0.98),
    ).data()
    cancelled = sdk.cancel_order(SYMBOL, order_id=resting.order_id).data()
    assert cancelled.status == "CANCELED"
