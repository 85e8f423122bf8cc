"""Batches that are never paid twice: sealed bodies, a journal of intents, reconcile before resend.

`states` is pure, `journal` makes every transition durable before the next side effect, `shards`
packs and seals, `api` says what a provider must offer, `collect` reads results, `runner` drives.
"""
