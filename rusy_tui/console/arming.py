"""Approving takes two presses: arm the card, then the digit that belongs to its figures.

A terminal reports key presses only: a paste, a held key and the burst of a lagging link all
look like typing. So a digit that follows its ``a`` faster than a person decides is refused,
and so is one for a card that changed in between.
"""

from typing import NamedTuple

from rusy_tui.domain.proposal import Proposal

MIN_DECISION_S = 0.15
ARMED_FOR_S = 20.0


class Armed(NamedTuple):
    """The card that the next digit would send, exactly as it was shown."""

    proposal_id: int
    revision: str
    digit: int
    at_s: float


class Send(NamedTuple):
    """The digit was right: approve this revision."""

    proposal_id: int
    revision: str


class Refusal(NamedTuple):
    """Nothing is sent, and the card is disarmed; the text says why."""

    text: str


class Arming:
    """Holds what is armed. Times are those of the key presses, monotonic seconds."""

    def __init__(self) -> None:
        self.armed: Armed | None = None

    def arm(self, proposal: Proposal, at_s: float) -> None:
        """Arm the card as it is shown now."""
        self.armed = Armed(proposal.proposal_id, proposal.revision, proposal.digit, at_s)

    def disarm(self) -> bool:
        """Disarm; whether anything was armed."""
        was_armed = self.armed is not None
        self.armed = None
        return was_armed

    def press(self, key: str, at_s: float) -> Send | Refusal | None:
        """What a key means while a card is armed; None when none is. Always disarms."""
        armed, self.armed = self.armed, None
        if armed is None:
            return None
        if len(key) != 1 or not key.isdecimal():
            return Refusal("disarmed: nothing was sent")
        if at_s - armed.at_s < MIN_DECISION_S:
            return Refusal(
                "refused: the digit came too fast after a, like a paste. "
                "Read the card, press a, then the digit"
            )
        if key != str(armed.digit):
            return Refusal(f"disarmed: the digit on the card is {armed.digit}, not {key}")
        return Send(armed.proposal_id, armed.revision)

    def check(self, shown: Proposal | None, now_s: float) -> Refusal | None:
        """Disarm when the armed card is not the one shown any more, or time has passed."""
        armed = self.armed
        if armed is None:
            return None
        if shown is None or shown.proposal_id != armed.proposal_id:
            self.armed = None
            return Refusal("disarmed: that card is gone; nothing was sent")
        if shown.revision != armed.revision:
            self.armed = None
            return Refusal("disarmed: the figures changed; read the card again")
        if now_s - armed.at_s > ARMED_FOR_S:
            self.armed = None
            return Refusal("disarmed after 20 s; nothing was sent")
        return None
