"""Bulk import: files of the exchange's archive and of others, judged row by row, as columns.

:mod:`.sources` finds files and says what each holds, :mod:`.reading` turns one into columns,
:mod:`.judging` holds its rows to the rules, :mod:`.bars` and :mod:`.series` bring them into the
tables, :mod:`.building` makes longer bars of minutes and compares hours with their quarters,
:mod:`.importer` does all that in order and accounts for each row.
"""
