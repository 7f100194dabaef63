"""The command line: one module a group of commands, with imports inside the commands.

``rusy status`` runs in scripts and over ssh: it loads neither the screen nor numpy.
"""
