"""The exchange's side door: what the engine needs of one, and the Binance adapter."""
