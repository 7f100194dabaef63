"""What goes wrong at the simulated exchange on purpose: seeded, and logged."""

from rusy_tui.simulator.faults.fault import Damage, Fault, Kind
from rusy_tui.simulator.faults.faults import Effect, Faults

__all__ = ["Damage", "Effect", "Fault", "Faults", "Kind"]
