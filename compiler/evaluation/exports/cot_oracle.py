"""Export for cot-oracle: a parquet file per split, with the position repeated for each layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from compiler.dataset import score_tables
from compiler.evaluation.exports.format import Format, Material
from compiler.evaluation.items import Item


def _write(material: Material) -> Mapping[str, bytes]:
    return {f"{split}.parquet": _table(material, items) for split, items in material.splits.items()}


def _table(material: Material, items: Sequence[Item]) -> bytes:
    layers = [*material.layers]
    ids = [[*material.ids(item)] for item in items]
    columns: dict[str, Sequence[object]] = {
        "task": [f"probec_{item.scope}" for item in items],
        "prompt": [item.question for item in items],
        "target_response": [item.response for item in items],
        "incorrect_plausible_response": [item.alternative for item in items],
        "context_input_ids": ids,
        "context_positions": [[len(each) - 1] * len(layers) for each in ids],
        "layers": [layers for _ in items],
        "layer": [layers[len(layers) // 2] for _ in items],
        "num_positions": [len(layers) for _ in items],
        "datapoint_type": [f"probec_{item.scope}" for item in items],
        **{
            name: [str(material.facts(item)[name]) for item in items]
            for name in ("probe_id", "doc_id", "scope", "target", "typicality", "band")
        },
    }
    return score_tables.written(columns.items())


FORMAT = Format("parquet rows for cot-oracle (AObench)", _write, training=True, tokens=True)
