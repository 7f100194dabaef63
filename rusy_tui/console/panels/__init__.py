"""Panels: pure functions from a view to lines; one widget shows them all."""
