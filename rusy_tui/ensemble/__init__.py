"""Three networks, one vote.

:mod:`vote` and :mod:`manifest` are pure; :mod:`registry` finds and verifies a model version,
:mod:`runtime` runs it, :mod:`scoreboard` keeps count of who was right.
"""
