"""The exchange's wire format, as the simulator writes it: shared with nobody."""
