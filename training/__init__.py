"""Training of the networks: a clone's part, never imported by the program.

Reads recordings, computes the program's own features, trains three networks pooled over
all coins, judges them on months that they never saw, and writes a model version.
"""
