"""Keys of three kinds sign exactly what is sent, wrong ones are refused, none shows."""

import base64
import logging
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

import pytest
from Crypto.Hash import SHA256
from Crypto.PublicKey import ECC, RSA
from Crypto.Signature import eddsa, pkcs1_15

from rusy_tui.clock import LockstepClock
from rusy_tui.domain.errors import ConfigurationError, ExchangeError
from rusy_tui.exchange.binance import BinanceExchange
from rusy_tui.exchange.signing import Credentials, private_key_of
from tests.exchange.scripted import Answer, ScriptedExchange, in_lockstep
from tests.exchange.wire_samples import POSITION

RSA_KEY = RSA.generate(2048)
ED_KEY = ECC.generate(curve="Ed25519")


def pem(key: RSA.RsaKey | ECC.EccKey, password: str | None = None) -> str:
    if isinstance(key, RSA.RsaKey):
        text = key.export_key(passphrase=password, pkcs=8).decode()
    elif password is None:
        text = key.export_key(format="PEM")
    else:
        text = key.export_key(
            format="PEM",
            passphrase=password,
            protection="PBKDF2WithHMAC-SHA512AndAES256-CBC",
            prot_params={"iteration_count": 1000},
        )
    return str(text)


def by_rsa(text: bytes, signature: bytes) -> None:
    pkcs1_15.new(RSA_KEY.public_key()).verify(SHA256.new(text), signature)


def by_ed25519(text: bytes, signature: bytes) -> None:
    eddsa.new(ED_KEY.public_key(), "rfc8032").verify(text, signature)


@pytest.mark.parametrize("password", [None, "open sesame"], ids=["plain", "encrypted"])
@pytest.mark.parametrize(
    ("key", "verify"), [(RSA_KEY, by_rsa), (ED_KEY, by_ed25519)], ids=["rsa", "ed25519"]
)
def test_what_is_sent_is_what_was_signed(
    key: RSA.RsaKey | ECC.EccKey, verify: Callable[[bytes, bytes], None], password: str | None
) -> None:
    async def scenario(
        scripted: ScriptedExchange, exchange: BinanceExchange, clock: LockstepClock
    ) -> None:
        await exchange.connect()
        scripted.script("GET v3/positionRisk", Answer([POSITION]))
        scripted.script("DELETE v1/allOpenOrders", Answer({"code": 200}))
        for _ in range(20):  # signatures with every character of base 64
            await exchange.positions()
            raw = scripted.seen[-1].raw
            text, _, signature = raw.partition("&signature=")
            assert "+" not in signature
            assert "/" not in signature
            verify(text.encode(), base64.b64decode(unquote(signature)))

    in_lockstep(
        scenario,
        checks_signatures=False,
        private_key=pem(key, password),
        private_key_password=password,
    )


@pytest.mark.parametrize(
    ("text", "password", "says"),
    [
        ("no key at all", None, "holds no RSA or Ed25519"),
        (pem(RSA_KEY, "right"), "wrong", "does not open it"),
        (pem(ED_KEY, "right"), None, "does not open it"),
        (RSA_KEY.public_key().export_key().decode(), None, "public key"),
        (str(ED_KEY.public_key().export_key(format="PEM")), None, "public key"),
        (str(ECC.generate(curve="P-256").export_key(format="PEM")), None, "curve"),
    ],
    # Not the keys themselves, which a failure would print.
    ids=["none", "wrong-password", "no-password", "public-rsa", "public-ed25519", "curve"],
)
def test_keys_that_can_not_sign_are_refused(text: str, password: str | None, says: str) -> None:
    with pytest.raises(ConfigurationError, match=says) as caught:
        private_key_of(Credentials("k", "", text, password))
    for line in text.splitlines()[1:-1]:
        assert line not in str(caught.value)


def test_no_secret_shows_anywhere(caplog: pytest.LogCaptureFixture) -> None:
    secrets = ("a-key", "a-secret", *pem(ED_KEY).splitlines()[1:-1], "open sesame")
    shown: list[str] = []

    async def scenario(
        scripted: ScriptedExchange, exchange: BinanceExchange, clock: LockstepClock
    ) -> None:
        await exchange.connect()
        script: list[Any] = [Answer(cut=True), Answer("no json"), Answer("<html>", 502)]
        for answer in script:
            scripted.script("GET v3/balance", answer)
            with pytest.raises(ExchangeError) as caught:
                await exchange.balance("USDT")
            error: BaseException | None = caught.value
            while error is not None:
                shown.append(f"{error!r} {error}")
                error = error.__cause__ or error.__context__
        shown.append(repr(vars(exchange)) + repr(vars(exchange._rest)))

    with caplog.at_level(logging.DEBUG):
        in_lockstep(
            scenario,
            checks_signatures=False,
            private_key=pem(ED_KEY, "open sesame"),
            private_key_password="open sesame",
        )
    shown += [caplog.text, repr(Credentials(secrets[0], secrets[1], secrets[2], secrets[-1]))]
    for text in shown:
        for secret in (*secrets, "signature="):
            assert secret not in text
