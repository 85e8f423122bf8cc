"""The commands and their summaries. A new one is one module here and one line below.

A module is imported only for its command, and imports what a run needs when it runs, so that help
and errors in options are quick.
"""

from __future__ import annotations

from collections.abc import Mapping

COMMANDS: Mapping[str, str] = {
    "init": "start a project for rollouts of your own: spec, prompts, .gitignore",
    "check": "report every problem of a spec, without running anything",
    "schema": "print the JSON Schema of a spec, for editors",
    "plan": "show which steps a build would run, why, and what it would cost",
    "build": "build the dataset, or bring it up to date",
    "status": "show open batches and billed costs",
    "cancel": "cancel the batches that are in flight at the provider",
    "retry": "retire failed replies, so that the next build sends their requests again",
    "doctor": "check key, environment, models and limits before spending money",
    "rehearse": "run the paid build against a local server that simulates the API",
    "why": "show which fields made a step stale",
    "prompt": "print the exact request about one document, and the replies to it",
    "diff": "compare two builds: spec, templates, requests, outcomes",
    "calibrate": "build every calibration level on the same documents, and choose one",
    "rounds": "list the rounds of a spec, their locks and their state",
    "reproduce": "rebuild a round from its lock and the response log, and compare every digest",
    "verify": "check the stored bytes of a round by digest, and its requests by its texts",
    "cache": "share rounds and their replies (push, pull), or free disk space (gc)",
    "show": "show rows: the text around the split, question, answers and scores",
    "stats": "print the statistics of built datasets, or of any probe parquet files",
    "card": "print the dataset card, or check every number in it",
    "push": "publish a built dataset on the Hub, at a URL or in a directory",
    "view": "show the rows of a dataset in a browser: filters, search, documents",
    "report": "write a self-contained HTML page with plots, tables and documents",
    "evaluate": "score a method that reads hidden states: questions, controls, predictions",
    "export": "write the dataset in the format of another tool",
    "completion": "print a script with which a shell completes commands, options and names",
    "verify-rows": "run every check on a probe parquet, built here or published",
}
