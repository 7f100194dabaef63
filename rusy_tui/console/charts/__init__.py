"""Charts: pure functions from bars to cells, and the widgets that show them."""
