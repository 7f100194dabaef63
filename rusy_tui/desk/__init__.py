"""Proposals, approval, modes and gates: who lets an entry go."""
