"""Code that loads a published dataset, for its card."""

from __future__ import annotations

_HUB = "hf://datasets/"


def code(to: str, tag: str | None, split: str) -> dict[str, str]:
    """Return five lines of Python for each library, by its name.

    `to`: the place of the dataset; "." for the directory of the card. `tag`: a revision on the Hub.
    """
    if to.startswith(_HUB):
        return _hub(to.removeprefix(_HUB), tag, split)
    return _remote(to, split) if "://" in to else _local(split)


def _hub(repo: str, tag: str | None, split: str) -> dict[str, str]:
    revision = f', revision="{tag}"' if tag else ""
    files = f"{_HUB}{repo}{f'@{tag}' if tag else ''}/data/{split}-*.parquet"
    return {
        "datasets": f"""from datasets import load_dataset

probes = load_dataset("{repo}", "default", split="{split}"{revision})
hard = probes.filter(lambda row: row["band"] == "hard")
print(probes.num_rows, hard.num_rows, probes[0]["verbalizer_prompt"])""",
        "polars": _polars(files),
        "duckdb": _duckdb(files),
        "pandas": f"""import pandas as pd
from huggingface_hub import HfFileSystem

files = sorted(HfFileSystem().glob("{files.removeprefix("hf://")}"))
probes = pd.concat([pd.read_parquet(f"hf://{{file}}") for file in files], ignore_index=True)
print(probes.groupby(["scope", "target"]).size())""",
    }


def _remote(url: str, split: str) -> dict[str, str]:
    files = f"{url}/data/{split}-*.parquet"
    return {
        "datasets": f"""from datasets import load_dataset

probes = load_dataset("parquet", data_files={{"{split}": "{files}"}}, split="{split}")
hard = probes.filter(lambda row: row["band"] == "hard")
print(probes.num_rows, hard.num_rows, probes[0]["verbalizer_prompt"])""",
        "polars": _polars(files),
        "duckdb": _duckdb(files),
        "pandas": f"""import fsspec
import pandas as pd

files = fsspec.open_files("{files}", "rb")
probes = pd.concat([pd.read_parquet(file.full_name) for file in files], ignore_index=True)
print(probes.groupby(["scope", "target"]).size())""",
    }


def _local(split: str) -> dict[str, str]:
    files = f"data/{split}-*.parquet"
    return {
        # `datasets` takes no name from the path ".".
        "datasets": f"""from pathlib import Path
from datasets import load_dataset

probes = load_dataset(str(Path.cwd()), "default", split="{split}")
hard = probes.filter(lambda row: row["band"] == "hard")
print(probes.num_rows, hard.num_rows, probes[0]["verbalizer_prompt"])""",
        "polars": _polars(files),
        "duckdb": _duckdb(files),
        "pandas": f"""from pathlib import Path
import pandas as pd

files = sorted(Path("data").glob("{split}-*.parquet"))
probes = pd.concat([pd.read_parquet(file) for file in files], ignore_index=True)
print(probes.groupby(["scope", "target"]).size())""",
    }


def _polars(files: str) -> str:
    return f"""import polars as pl

probes = pl.read_parquet("{files}")
hard = probes.filter(pl.col("band") == "hard")
print(hard.group_by("scope", "target").len().sort("scope", "target"))"""


def _duckdb(files: str) -> str:
    return f"""import duckdb

probes = duckdb.read_parquet("{files}")
hard = probes.filter("band = 'hard'")
print(hard.aggregate("scope, target, count(*) AS probes").order("scope, target"))"""
