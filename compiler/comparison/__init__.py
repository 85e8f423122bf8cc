"""Two builds beside one another: what they declare, say, would ask, and came to.

`sides` opens what a command line names; all else knows specs as data and graphs of steps.
"""
