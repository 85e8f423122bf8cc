"""A local server that simulates the Messages and Message Batches APIs, with limits and faults.

It rehearses a paid build without network or cost, and can inject the failures that a build may meet
there. Its state is on disk, so it may be killed at any moment.
"""
