"""From a score to a fully worked plan: pure functions, no clock, no I/O."""
