"""A local server that behaves like the Messages and Message Batches API, with limits and faults.

It rehearses what a build would do over the network: nothing is paid, and whatever can go wrong
there can be made to go wrong here. Its state is on disk, so it may be killed at any moment.
"""
