"""Every row of the exchange's error table, and what is done with an answer nobody foresaw."""

import pytest

from rusy_tui.domain.order import Cause, Rejected, Unresolved
from rusy_tui.exchange.outcomes import classify, is_no_change, is_unknown_listen_key

# As the reference has them, number by number.
TABLE = {
    Cause.OVERLOADED: [-1008],
    Cause.LIMITS: [-1003, -1015],
    Cause.CLOCK: [-1021],
    Cause.KEY: [-1022, -2014, -2015],
    Cause.DEFECT: [
        *(-1102, -1111, -1116, -1121, -4003, -4004, -4005, -4013, -4014, -4023, -4164, -4120),
    ],
    Cause.PRICE_BAND: [-4016, -4024, -4131, -4210, -4211],
    Cause.TOO_MANY: [-2025, -4045],
    Cause.BARRED: [-4087, -4140, -4192, -4400, -4401],
    Cause.CLOSED: [-4088, -4141, -2023],
    Cause.TRIGGERING: [-4117, -4118],
    Cause.FUNDS: [-2010, -2018, -2019, -4051],
    Cause.UNKNOWN_ORDER: [-2011, -2013],
    Cause.WOULD_TAKE: [-5022],
    Cause.WOULD_TRIGGER: [-2021],
    Cause.UNFILLABLE: [-2020, -5021],
    Cause.NOTHING_TO_REDUCE: [-2022],
    Cause.SETTING: [-2027, -2028, -4028, -4047, -4048, -4161, -4061],
    Cause.DUPLICATE: [-4116],
    Cause.OTHER: [-5047],
}


@pytest.mark.parametrize(
    ("cause", "code"), [(cause, code) for cause, codes in TABLE.items() for code in codes]
)
def test_each_number_has_its_cause(cause: Cause, code: int) -> None:
    assert classify(400, code, "whatever") == Rejected(cause, code, "whatever")


def test_every_cause_is_in_the_table() -> None:
    assert set(TABLE) == set(Cause)


@pytest.mark.parametrize("code", [-1000, -1001, -1006, -1007])
@pytest.mark.parametrize("status", [200, 400, 408, 500, 503])
def test_status_unknown_is_unresolved_whatever_the_http_status(code: int, status: int) -> None:
    assert isinstance(classify(status, code, "Service Unavailable."), Unresolved)


@pytest.mark.parametrize("status", [301, 408, 500, 502, 503, 504, 520])
@pytest.mark.parametrize(
    "message",
    [
        "Unknown error, please check your request or try again later.",
        "<html><h1>503 Service Unavailable</h1></html>",
        "",
    ],
)
def test_a_server_error_without_proof_is_unresolved(status: int, message: str) -> None:
    assert isinstance(classify(status, 0, message), Unresolved)


@pytest.mark.parametrize("message", ["Service Unavailable.", "Service Unavailable"])
def test_the_503_that_failed_for_sure(message: str) -> None:
    assert classify(503, 0, message) == Rejected(Cause.OVERLOADED, 0, message)


@pytest.mark.parametrize(
    ("status", "cause"),
    [
        (429, Cause.LIMITS),
        (418, Cause.LIMITS),
        (403, Cause.LIMITS),
        (401, Cause.KEY),
        (451, Cause.KEY),
        (404, Cause.OTHER),
    ],
)
def test_statuses_without_a_number(status: int, cause: Cause) -> None:
    assert classify(status, 0, "") == Rejected(cause, 0, "")


def test_a_number_nobody_knows() -> None:
    assert classify(400, -9999, "new") == Rejected(Cause.OTHER, -9999, "new")
    assert isinstance(classify(500, -9999, "new"), Unresolved)
    text = "ClientAlgoId is duplicated."
    assert classify(400, -4999, text) == Rejected(Cause.DUPLICATE, -4999, text)


def test_what_is_no_failure() -> None:
    assert is_no_change(-4046)
    assert is_no_change(-4059)
    assert not is_no_change(-4047)
    assert is_unknown_listen_key(-1125)
