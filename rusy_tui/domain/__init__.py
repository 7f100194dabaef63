"""The words all parts share: plain, frozen types without input or output.

Nothing here imports another package of Rusy, and nothing here names a field of an
exchange's wire format.
"""
