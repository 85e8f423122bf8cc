"""Batches that are never paid twice: sealed bodies, a journal of intents, reconcile before resend.

`states` holds the pure transitions, `journal` makes each durable before the next side effect,
`shards` packs and seals bodies, `api` is the interface that a provider implements, `collect`
downloads and checks results, `apply` logs them by the rules of `policy`, `conflicts` judges results
that differ, `reconcile` searches for lost batches, `cancellations` stops a run whose batches were
canceled, and `runner` drives all of these.
"""
