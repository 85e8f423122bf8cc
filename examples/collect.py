"""Hidden states at the splits of a file of questions, from a Hugging Face model.

Needs torch and transformers, which probec does not depend on:

    pip install torch transformers
    probec evaluate questions specs/demo.yaml --out questions.jsonl
    python collect.py questions.jsonl --model google/gemma-3-270m --layers 4,9,13 --out states

The model reads the text up to the split, without a chat template, with the special tokens that its
tokenizer puts before a text. The state is that of the last token at the output of each layer: what
a forward hook sees there, `hidden_states[layer + 1]` in transformers. Probes with one split share a
state. Texts are read one by one, so that no padding shifts a position.

`states/states.safetensors` holds one float32 tensor (layers, width) per split, named by the digest
of the document and the split's character; `states/index.jsonl` maps probes to names and positions.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM, AutoTokenizer


def layers_of(model):
    """Return the list of decoder layers of a model."""
    found = [
        module
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.ModuleList) and name.split(".")[-1] in ("layers", "h")
    ]
    if not found:
        raise SystemExit("no list of decoder layers in this model: name it in layers_of")
    return max(found, key=len)


@torch.inference_mode()
def states(model, ids, layers):
    """Return the outputs of some layers at the last token: shape (layers, width)."""
    kept = {}

    def keep(layer):
        def hook(module, inputs, output):
            hidden = output[0] if isinstance(output, tuple) else output
            kept[layer] = hidden[0, -1].detach().to(torch.float32).cpu()

        return hook

    blocks = layers_of(model)
    hooks = [blocks[layer].register_forward_hook(keep(layer)) for layer in layers]
    try:
        model(input_ids=torch.tensor([ids], device=model.device), use_cache=False)
    finally:
        for each in hooks:
            each.remove()
    return torch.stack([kept[layer] for layer in layers])


def main() -> None:
    """Collect the states of a file of questions."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("questions", type=Path)
    parser.add_argument("--model", required=True)
    parser.add_argument("--layers", required=True, help="such as 4,9,13")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--gguf", help="the weights are in this GGUF file of the model's directory")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    args = parser.parse_args()
    layers = [int(each) for each in args.layers.split(",")]
    more = {"gguf_file": args.gguf} if args.gguf else {}
    tokenizer = AutoTokenizer.from_pretrained(args.model, **more)
    model = AutoModelForCausalLM.from_pretrained(args.model, **more).to(args.device).eval()
    tensors, lines = {}, []
    with args.questions.open(encoding="utf-8") as file:
        head = json.loads(next(file))
        for line in file:
            asked = json.loads(line)
            name = f"{asked['doc_digest'][:24]}-{asked['activation_char']}"
            # No truncation: cutting on the right would drop the split.
            ids = tokenizer(asked["activation_text"], truncation=False)["input_ids"]
            if ids and ids[-1] == tokenizer.eos_token_id:
                raise SystemExit("this tokenizer puts a token behind the text: the text goes on")
            if name not in tensors:
                tensors[name] = states(model, ids, layers)
            lines.append({"probe_id": asked["probe_id"], "state": name, "position": len(ids) - 1})
    args.out.mkdir(parents=True, exist_ok=True)
    facts = {"dataset": head["dataset"], "model": args.model, "layers": args.layers}
    save_file(tensors, args.out / "states.safetensors", metadata=facts)
    text = "".join(json.dumps(each) + "\n" for each in lines)
    (args.out / "index.jsonl").write_text(text, encoding="utf-8")
    print(f"{len(tensors):,} states of {len(lines):,} probes, {len(layers)} layers")


if __name__ == "__main__":
    main()
