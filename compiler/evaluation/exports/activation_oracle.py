"""Export for training activation oracles: one data point per probe and layer.

The fields are those of `TrainingDataPoint` of adamkarvonen/activation_oracles, without
`input_ids`, `labels` and `positions`: these depend on the oracle's chat template and come from its
`create_training_datapoint`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from compiler.evaluation.exports.format import Format, Material, lines
from compiler.evaluation.items import Item
from compiler.keys import Json


def _write(material: Material) -> Mapping[str, bytes]:
    return {
        f"{split}.jsonl": lines(_rows(material, items)) for split, items in material.splits.items()
    }


def _rows(material: Material, items: Sequence[Item]) -> Iterator[Mapping[str, Json]]:
    for item in items:
        ids: list[Json] = [*material.ids(item)]
        facts: dict[str, Json] = {
            **material.facts(item), "incorrect_plausible_answer": item.alternative,
        }  # fmt: skip
        for layer in material.layers:
            yield {
                "datapoint_type": f"probec_{item.scope}",
                "prompt": item.question,
                "target_output": item.response,
                "layer": layer,
                "context_input_ids": ids,
                "context_positions": [len(ids) - 1],
                "ds_label": item.scope,
                "feature_idx": -1,
                "steering_vectors": None,
                "meta_info": facts,
            }


FORMAT = Format("data points for training activation oracles", _write, training=True, tokens=True)
