"""The console: the screen of one operator, in a process of its own, over the link."""
