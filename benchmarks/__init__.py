"""What Rusy costs, each figure beside a bound that was measured in the same run.

``make bench`` runs them all. A busy machine makes every figure worse and moves the ratios less:
read those. What was measured stands in ``BENCHMARKS.md``.
"""
