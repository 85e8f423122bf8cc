"""Two builds beside one another: what they declare, say, would ask, and came to.

Knows specs as data and graphs of steps; what a command line means is for `commands/sides.py`.
"""
