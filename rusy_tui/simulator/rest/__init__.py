"""The exchange's REST interface: routes, signatures, limits, and each endpoint's rules."""
