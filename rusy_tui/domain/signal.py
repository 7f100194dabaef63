"""What the ensemble says about one closed bar."""

import msgspec

from rusy_tui.domain.candle import Interval


class MemberVote(msgspec.Struct, frozen=True, kw_only=True):
    """One network's vote, on the yardstick that all members share.

    ``probability`` is the member's own P(price is higher at the end of the horizon), in
    [0, 1] and not calibrated; ``weight`` is its share of the vote, the shares of all
    members that voted summing to 1.
    """

    member: str
    probability: float
    weight: float


class Prediction(msgspec.Struct, frozen=True, kw_only=True):
    """The vote of all members at the close of one bar.

    ``score`` is the weighted vote in [-1, 1]; ``probability`` is P(up over the horizon)
    calibrated for the set of inputs that were present; ``large_move`` is P(the move
    exceeds the label's multiple of ATR, either way), which is far easier to forecast than
    its sign. ``flow_present`` says whether trade count and taker volume were there.
    """

    symbol: str
    interval: Interval
    bar_open_ms: int
    model_version: str
    members: tuple[MemberVote, ...]
    score: float
    probability: float
    large_move: float
    flow_present: bool
