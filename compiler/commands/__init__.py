"""The commands by name. A new one is one file here and one line below; modules load when asked."""

from __future__ import annotations

from collections.abc import Mapping

COMMANDS: Mapping[str, str] = {
    "check": "find everything wrong with a spec, without running anything",
    "schema": "print the JSON Schema of a spec, for editors",
    "plan": "show which steps a build would run, why, and what it would cost",
    "build": "build the dataset, as far as it is not built yet",
    "status": "show open batches and what was paid",
    "cancel": "stop the batches that are with the provider",
    "retry": "ask again for replies that ended badly",
    "doctor": "check the key, environment, models and limits before money is spent",
    "rehearse": "run the whole paid path against a local server that simulates the API",
    "why": "explain which field made a step stale",
    "prompt": "print exactly what would be sent about one document",
    "diff": "compare two builds: spec, templates, requests, outcomes",
    "calibrate": "build every calibration level on the same documents, and choose one",
    "rounds": "list the rounds of a spec with their locks and how they stand",
    "reproduce": "rebuild a round from its lock and the response log alone, and compare",
    "verify": "find any flipped byte in what is kept of a round",
    "cache": "share rounds with their replies (push, pull), or free disk space (gc)",
    "stats": "print the numbers of a built dataset, or of any probe parquet",
    "card": "print the dataset card, or check every number of one",
    "report": "write one HTML page: the numbers as plots, and documents to read",
    "verify-rows": "run every check on any probe parquet, ours or a published one",
}
