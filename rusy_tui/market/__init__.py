"""From the exchange's candles to closed, valid, gap-free bars in the store."""
