"""The exchange's whole error table, and what is done with an answer nobody foresaw."""

import pytest

from rusy_tui.domain.order import Cause, Rejected, Unresolved
from rusy_tui.exchange.outcomes import classify, is_unknown_listen_key

# What an operator's reference says of errors, number by number, and what must be done.
TABLE = {
    Cause.OVERLOADED: [-1008, -1016, -5028],
    Cause.LIMITS: [-1003, -1015],
    Cause.CLOCK: [-1021],
    Cause.KEY: [-1002, -1022, -2014, -2015, -2017],
    Cause.DEFECT: [
        *(-1102, -1111, -1116, -1121, -4003, -4004, -4005, -4013, -4014, -4015, -4023, -4120),
        *(-4164, -5025, -5029),
    ],
    Cause.PRICE_BAND: [-4016, -4024, -4131, -4183, -4184, -4210, -4211],
    Cause.TOO_MANY: [-2025, -4045, -4130],
    Cause.BARRED: [-4087, -4140, -4192, -4400, -4401, -4402],
    Cause.CLOSED: [-4088, -4109, -4141, -2023],
    Cause.TRIGGERING: [-4117, -4118],
    Cause.FUNDS: [-2010, -2018, -2019, -4050, -4051],
    Cause.UNKNOWN_ORDER: [-2011, -2013],
    Cause.WOULD_TAKE: [-5022],
    Cause.WOULD_TRIGGER: [-2021, -4142],
    Cause.UNFILLABLE: [-1112, -2020, -5021],
    Cause.NOTHING_TO_REDUCE: [-2022, -2024],
    Cause.SETTING: [-2027, -2028, -4028, -4047, -4048, -4067, -4068, -4161, -4168],
    Cause.MODE: [-4061],
    Cause.NOT_AMENDED: [-5024, -5026, -5043, -5047],
    Cause.NO_CHANGE: [-4046, -4059, -5027],
    Cause.LISTEN_KEY: [-1125],
    Cause.DUPLICATE: [-4116],
}
UNPROVEN = [-1000, -1001, -1006, -1007, -2012, -4083]
# The public list of these futures, every number of it.
LISTED = [
    *range(-1008, -999), *(-1010, -1011, -1013, -1014, -1015, -1016, -1020, -1021, -1022),
    *(-1023, -1099), *range(-1106, -1099), *range(-1122, -1107), *range(-1128, -1124),
    *(-1130, -1136), *range(-2028, -2009), *range(-4033, -3999), *range(-4088, -4043),
    *(-4104, -4109, -4114, -4115, -4116, -4117, -4118, -4131, -4135, -4137, -4138, -4139),
    *(-4140, -4141, -4142, -4144, -4161, -4164, -4165, -4167, -4168, -4169, -4170, -4171),
    *(-4172, -4183, -4184, -4192, -4202, -4203, -4205, -4206, -4208, -4209, -4210, -4211),
    *(-4400, -4401, -4402, -4403, -5021, -5022, -5024, -5025, -5026, -5027, -5028, -5029),
    *(-5037, -5038, -5039, -5040, -5041, -5043),
]  # fmt: skip
# Of the list, what no request of ours can meet (white lists, the exchange's own tables,
# options, transfers), or whose meaning it does not tell.
NOT_OURS = {
    -1004, -1005, -1010, -1113, -2016, -4000, -4008, -4009, -4010, -4011, -4012, -4017, -4018,
    -4019, -4025, -4026, -4027, -4029, -4030, -4033, -4044, -4058, *range(-4081, -4068),
    *range(-4066, -4062), -4084, -4085, -4086, -4114, -4115,
}  # fmt: skip


@pytest.mark.parametrize(
    ("cause", "code"), [(cause, code) for cause, codes in TABLE.items() for code in codes]
)
def test_each_number_has_its_cause(cause: Cause, code: int) -> None:
    assert classify(400, code, "whatever") == Rejected(cause, code, "whatever")


def test_every_cause_is_in_the_table() -> None:
    assert set(TABLE) == set(Cause) - {Cause.OTHER}


def test_no_number_of_the_exchanges_list_is_left_to_chance() -> None:
    for code in LISTED:
        outcome = classify(400, code, "")
        if code in UNPROVEN:
            assert isinstance(outcome, Unresolved), code
        else:
            assert isinstance(outcome, Rejected), code
            assert (outcome.cause is Cause.OTHER) == (code in NOT_OURS), code


@pytest.mark.parametrize("code", UNPROVEN)
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


def test_the_listen_key_that_is_gone() -> None:
    assert is_unknown_listen_key(-1125)
    assert not is_unknown_listen_key(-1121)
