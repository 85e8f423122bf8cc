"""Export for the LM evaluation harness: the true and the wrong answer as two choices, by scope.

The truth is at either place, because a tie goes to the first choice.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from compiler.evaluation.exports.format import Format, Material, lines
from compiler.evaluation.items import Item, continued
from compiler.keys import Json

_YAML = """# Run in this directory: lm_eval --include_path . --tasks {task} --model hf ...
task: {task}
dataset_path: json
dataset_kwargs:
  data_files:
    test: {file}
test_split: test
output_type: multiple_choice
doc_to_text: query
doc_to_choice: choices
doc_to_target: gold
target_delimiter: ""
metric_list:
  - metric: acc
    aggregation: mean
    higher_is_better: true
  - metric: acc_norm
    aggregation: mean
    higher_is_better: true
metadata:
  version: 1
  dataset: {digest}
"""


def _write(material: Material) -> Mapping[str, bytes]:
    found = {}
    for split, items in material.splits.items():
        for scope in material.subject.scopes:
            own = [item for item in items if item.scope == scope and item.choices is not None]
            if own:
                name = f"{split}_{scope}"
                found[f"{name}.jsonl"] = lines(_rows(material, own))
                found[f"{name}.yaml"] = _YAML.format(
                    task=f"probec_{name}", file=f"{name}.jsonl", digest=material.subject.digest
                ).encode("utf-8")
    return found


def _rows(material: Material, items: list[Item]) -> Iterator[Mapping[str, Json]]:
    for item in items:
        choices: list[Json] = [continued(each) for each in item.choices or ()]
        yield {
            "query": material.prompt(item),
            "choices": choices,
            "gold": 0 if item.first else 1,
            **material.facts(item),
        }


FORMAT = Format("two choices per probe for the LM evaluation harness (lm-eval)", _write)
