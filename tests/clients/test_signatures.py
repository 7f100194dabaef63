"""Keys of all kinds: what the SDK and python-binance sign with them, the exchange takes."""

import pytest
from binance.client import Client
from binance.exceptions import BinanceAPIException
from Crypto.PublicKey import ECC, RSA

from tests.clients.libraries import sync_client
from tests.clients.sdk import code_of, rest
from tests.clients.serving import Exchange, Keys
from tests.clients.walk import walk


@pytest.fixture(scope="package", params=["RSA", "Ed25519"])
def signing(request: pytest.FixtureRequest, exchange_here: Exchange) -> Keys:
    """An account whose requests are signed with a private key."""
    if request.param == "RSA":
        # Small, for a larger one takes seconds to make; nothing depends on its size.
        rsa = RSA.generate(1024)
        private, public = rsa.export_key().decode(), rsa.public_key().export_key().decode()
    else:
        ed25519 = ECC.generate(curve="ed25519")
        private = str(ed25519.export_key(format="PEM"))
        public = str(ed25519.public_key().export_key(format="PEM"))
    opened = exchange_here.open_account(request.param, public_key=public)
    return Keys(opened.api_key, opened.api_secret, private)


def test_the_sdk_signs_reads_and_orders(exchange_here: Exchange, signing: Keys) -> None:
    client = rest(exchange_here, signing)
    walk(client.futures_account_balance_v3().data())
    assert client.change_initial_leverage("BTCUSDT", 7).data().leverage == 7


def test_python_binance_signs_reads(exchange_here: Exchange, signing: Keys) -> None:
    client = sync_client(exchange_here, signing)
    assert client.futures_account_balance()


def test_the_secret_is_no_key_of_such_an_account(
    exchange_here: Exchange, signing: Keys
) -> None:
    client = rest(exchange_here, Keys(signing.api_key, signing.api_secret))
    assert code_of(client.futures_account_balance_v3) == -1022


def test_another_key_is_refused(exchange_here: Exchange, signing: Keys) -> None:
    other = str(ECC.generate(curve="ed25519").export_key(format="PEM"))
    client = rest(exchange_here, Keys(signing.api_key, "", other))
    assert code_of(client.futures_account_balance_v3) == -1022


def test_a_key_without_futures_permission_reads_and_does_not_trade(
    exchange_here: Exchange,
) -> None:
    client: Client = sync_client(exchange_here, exchange_here.accounts["reading"])
    assert client.futures_account_balance()
    with pytest.raises(BinanceAPIException) as raised:
        client.futures_change_leverage(symbol="BTCUSDT", leverage=5)
    assert raised.value.code == -2015
    assert client.get_account_api_permissions()["enableFutures"] is False


def test_which_keys_may_withdraw_is_told(exchange_here: Exchange) -> None:
    told = {
        name: sync_client(exchange_here, keys).get_account_api_permissions()
        for name, keys in exchange_here.accounts.items()
    }
    assert {name: each["enableWithdrawals"] for name, each in told.items()} == {
        "ordinary": False,
        "withdrawing": True,
        "reading": False,
    }
