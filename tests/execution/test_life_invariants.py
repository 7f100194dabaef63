"""Whatever the exchange loses, delays, repeats or reorders, some things always hold."""

from collections.abc import Callable
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from rusy_tui.domain.order import Purpose
from rusy_tui.domain.trade import ExitReason
from rusy_tui.execution.life import Life
from rusy_tui.execution.messages import Begin, ExitAsked
from tests.execution.model import Model, covered, rests_for_all
from tests.execution.stage import Stage

# Promise P2's two seconds, and one step of the tests' time.
NAKED_S = 2.25
STEP_S = 0.25


class Watch:
    """Looks after every step."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.naked_s = 0.0
        self.at_s = model.stage.now_s

    def look(self) -> None:
        model = self.model
        passed_s, self.at_s = model.stage.now_s - self.at_s, model.stage.now_s
        self.naked_s = 0.0 if covered(model) else self.naked_s + passed_s
        assert self.naked_s <= NAKED_S, "a position without stop or exit"
        if model.position and model.quiet() and not model.lost and model.stage.life.protected:
            assert rests_for_all(model), "a stop is believed in that does not rest"
        entries = [
            intent
            for intent in model.stage.all(Purpose.ENTRY)
            if intent.client_order_id in model.travelling
            or (
                intent.client_order_id in model.held
                and model.held[intent.client_order_id].rests
            )
        ]
        assert len(entries) <= 1, "two entries work at once"
        names = [intent.client_order_id for intent in model.stage.sent]
        assert len(set(names)) == len(names), "an id was used twice"
        entered = sum(
            (h.filled for h in model.held.values() if h.intent.purpose is Purpose.ENTRY), 0
        )
        assert entered <= model.stage.life.trade.planned_quantity


def play(seed: int, steps: int) -> Model:
    """Disorder first, then a calm in which everything arrives and time passes."""
    random = Random(seed)
    stage = Stage(tries=random.randint(1, 3))
    model = Model(stage, random)
    watch = Watch(model)
    model.tell(Begin())
    deeds: list[Callable[[], None]] = [
        *[model.arrive] * 6,
        *[model.deliver] * 6,
        *[model.deliver_fill] * 4,
        *[model.answer] * 3,
        *[lambda: model.wait(STEP_S)] * 6,
        *[model.fill_entry] * 3,
        model.fill_target,
        model.hit_stop,
        model.drop_stop,
        lambda: model.tell(ExitAsked(ExitReason.OPERATOR)),
        lambda: model.wait(STEP_S),
    ]
    weights = [4] * (len(deeds) - 5) + [1] * 5
    for _ in range(steps):
        random.choices(deeds, weights)[0]()
        watch.look()
        if random.random() < 0.05:
            # A quarter of an hour passes in which everything arrives.
            model.settle()
            for _ in range(12):
                model.wait(STEP_S)
                model.settle()
                watch.look()
            model.wait(900)
    for _ in range(60):
        model.settle()
        model.wait(STEP_S)
        watch.look()
    assert_alive(stage.life)
    for _ in range(600):
        if stage.life.done:
            break
        model.wait(20)
        model.settle()
    return model


def assert_alive(life: Life) -> None:
    """Nothing is left that only another message could wake."""
    assert life.done or life.open or life.live(Purpose.ENTRY), "neither done nor at work"


@settings(max_examples=200, deadline=None)
@given(seed=st.integers(0, 2**32), steps=st.integers(0, 120))
def test_a_trade_always_ends_flat_with_no_order_left(seed: int, steps: int) -> None:
    model = play(seed, steps)
    life = model.stage.life
    assert life.done, "the trade is stuck"
    assert model.position == 0
    assert life.trade.quantity == 0
    assert life.trade.cost_basis == 0
    assert [held for held in model.held.values() if held.rests] == []
    assert life.trade.exit_reason is not None
