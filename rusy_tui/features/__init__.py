"""What the networks see, computed the same way in training and live.

Pure functions from :class:`rusy_tui.domain.bars.Bars` to arrays, one value a bar, each made
only from that bar and earlier ones. :mod:`rusy_tui.features.catalogue` names them all;
:mod:`rusy_tui.features.windows` assembles each member's input.
"""
