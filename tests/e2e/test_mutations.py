"""Change every leaf of a spec and bytes of every template: nothing stale is ever served.

Each change is built twice: over a store and a response log that hold every build before it, and
over none at all. All outputs and all files of the dataset must come out equal. The paid provider is
replaced by one that sends the real wire body nowhere and puts the body's key into its reply, so a
body that changes changes an output: what no output shows, no request held.
"""

from __future__ import annotations

import gzip
import io
import json
import shutil
import sys
import tempfile
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal, cast

import pytest
from pydantic import BaseModel

from compiler import cli
from compiler.keys import Json
from compiler.llm.messages import Call, Deliver, Outcome, Reply, Request
from compiler.llm.providers import PROVIDERS
from compiler.llm.providers.anthropic.wire import messages_body
from compiler.llm.providers.extractive import respond
from compiler.probes.prompts import Library
from compiler.spec import load
from compiler.spec.model import Spec
from tests.conftest import ROOT

ROLES = ("generator", "answerer", "judge")
TOKENIZER = "specs/data/bpe-8k.json.gz"

# Every part that may be left out is there, so that every leaf can be changed.
SPEC = f"""\
extends: base.yaml
name: tiny
source:
  path: specs/data/tiny.jsonl
  model: writer
  tokenizer: {TOKENIZER}
  license: public domain
  homepage: https://example.org
  columns: {{doc_id: doc_id, doc_source: doc_source, prefix: prefix, continuation: continuation, doc_idx: doc_idx}}
rounds: [{{docs: 2}}, {{docs: 1}}]
shard_docs: 2
siblings: {{min_chars: 350, max_repeat: 0.02}}
splits: {{margin_chars: 100, margin_share: 0.12, whole_share: 0.15, word_candidates: 3}}
slots_per_document: 7
scopes:
  word: {{slots: 2, distance: {{max: 20}}}}
  lens: {{slots: 2, distance: {{max: 20}}, tokenizer: specs/data/same.json.gz}}
  sentence: {{slots: 1}}
  paragraph: {{slots: 1}}
  whole: {{slots: 1, distance: {{max: 3}}}}
calibration: {{level: 1}}
models:
  generator: {{provider: anthropic, model: model-a, prompt: generator/base, max_tokens: 9000, thinking: {{budget_tokens: 2000}}, cache: 5m, base_url: "http://127.0.0.1:9"}}
  answerer: {{provider: anthropic, model: model-a, prompt: answerer/base, max_tokens: 2000, thinking: {{budget_tokens: 1024}}, cache: 5m, base_url: "http://127.0.0.1:9"}}
  judge: {{provider: anthropic, model: model-a, prompt: judge/base, max_tokens: 1500, thinking: {{budget_tokens: 1024}}, cache: 5m, base_url: "http://127.0.0.1:9"}}
scoring: {{rollouts: 2, view: {{max_chars: 500}}}}
prices:
  model-a: {{input: 1.0, output: 5.0, batch: 0.5}}
  model-b: {{input: 2.0, output: 7.0, batch: 0.4}}
budget: {{max_usd: 1000}}
publish: {{template_model: none}}
"""  # noqa: E501 - as a user would write it
FREE_MODELS = "\n".join(
    f"  {role}: {{provider: extractive, model: extractive-1, thinking: null}}" for role in ROLES
)

# What may change without any step becoming stale. Each is proven to change no output either.
NEGATIVE = (
    "source.revision",  # of a Hub dataset; a local file has none
    "calibration.levels",
    "calibration.levels.[!1]*",  # the text of a level that is not in use
    "models.*.base_url",
    "models.*.concurrency",
    "prices",
    "prices.*.batch",  # of a provider that is not batched
    "prices.*.cache_minimum",
    "prices.model-b.*",
    "prices.claude*",
    "expect.*",
    "batches.*",
    "budget.*",
    "rehearsal.*",
)

# Leaves with one legal value: every other is refused, which is tested.
FIXED = ("scopes.*.kind", "scoring.policy", "models.*.temperature", "models.[aj]*.structured")

# Other legal values, where the type alone does not lead to one that shows. Patterns of paths;
# ` ; ` joins what must change together. `{}` is the path itself.
ALTERNATIVES: Mapping[str, tuple[str, ...]] = {
    "name": ("{}=other",),
    "source.path": (
        "{}=specs/data/other.jsonl",
        "{}=specs/data/same.jsonl",
    ),
    "source.tokenizer": ("{}=specs/data/other.json", "{}=specs/data/same.json.gz"),
    "source.columns.doc_id": ("{}=doc_id2",),
    "source.columns.doc_source": ("{}=doc_source2", "{}=null"),
    "source.columns.prefix": ("{}=prefix2",),
    "source.columns.continuation": ("{}=continuation2",),
    "source.columns.doc_idx": ("{}=doc_idx2", "{}=null"),
    "rounds": ("{}=[{docs: 2}]", "{}=[{docs: 2}, {docs: 1}, {docs: 1}]", "{}=[{docs: 3}]"),
    "rounds.0.docs": ("{}=1", "{}=3"),
    "rounds.1.docs": ("{}=2",),
    "shard_docs": ("{}=1", "{}=512"),
    "siblings.shown": ("{}=1", "{}=2"),
    "siblings.min_chars": ("{}=900",),
    "siblings.max_repeat": ("{}=0.9", "{}=0.0"),
    "splits.margin_chars": ("{}=400",),
    "splits.margin_share": ("{}=0.35",),
    "splits.whole_share": ("{}=0.45", "{}=0.0"),
    "slots_per_document": ("{}=8 ; scopes.word.slots=3",),
    "scopes": (
        "scopes.extra={kind: written, order: 9, slots: 1, split: sentence, unit: sentence, "
        "synergy: tie two things together} ; slots_per_document=8",
    ),
    "scopes.word.order": ("{}=1 ; scopes.lens.order=0", "{}=7"),
    "scopes.lens.order": ("{}=8", "{}=0 ; scopes.word.order=1"),
    "scopes.*.order": ("{}=9",),
    "scopes.word.slots": ("{}=1 ; slots_per_document=6",),
    "scopes.lens.slots": ("{}=0 ; slots_per_document=5",),
    "scopes.*.slots": ("{}=2 ; slots_per_document=8", "{}=0 ; slots_per_document=6"),
    "scopes.*.distance.max": ("{}=1", "{}=63"),
    "scopes.*.tokenizer": ("{}=specs/data/other.json", f"{{}}={TOKENIZER}", "{}=null"),
    "scopes.*.atom.min_chars": ("{}=500",),
    "scopes.*.atom.max_chars": ("{}=550",),
    "scopes.*.atom.min_words": ("{}=40",),
    "scopes.*.atom.min_sentences": ("{}=9",),
    "calibration.level": ("{}=-2", "{}=0"),
    "calibration.levels": ("{}.3=null", "{}.2={text: else}"),
    "models.*.provider": (
        "{}=anthropic-batch",
        "{}=extractive ; {parent}.model=extractive-1",
    ),
    "models.*.model": ("{}=model-b",),
    "models.*.prompt": ("{}={role}/other", "{}={role}/same"),
    "models.*.max_tokens": ("{}=3000", "{}=20000"),
    "scoring.rollouts": ("{}=1", "{}=3"),
    "scoring.view.max_chars": ("{}=300", "{}=100000"),
    "scoring.reduce": ("{}=[max]", "{}=[min, max, mean]"),
    "scoring.bands.hard": ("{}=0.1",),
    "scoring.bands.easy": ("{}=0.5",),
    "prices": ("prices.model-c={input: 1.0, output: 1.0}",),
    "publish.row_group_rows": ("{}=16",),
    "rehearsal.tokenizer": ("{}=specs/data/other.json",),
}


def legal(value: object, annotation: object) -> Iterator[str]:
    """Other values of a leaf's type, the likeliest to be legal and to show first."""
    if isinstance(annotation, typing.TypeVar):
        return
    options = _options(annotation)
    literals = [each for each in options if not isinstance(each, type) and each != value]
    yield from (json.dumps(each) for each in literals)
    if value is None:
        yield from ("1", "other") if {int, float, str} & set(options) else ()
    elif isinstance(value, bool):
        yield json.dumps(not value)
    elif isinstance(value, int):
        yield from (str(2 * value + 1), str(value + 1), str(value - 1))
    elif isinstance(value, float):
        yield from (str(value / 2 + 0.1), str(value / 2), str(value + 1.0))
    elif isinstance(value, str) and not literals:
        yield json.dumps(value + "x")
    if value is not None and type(None) in options:
        yield "null"


def _options(annotation: object) -> list[object]:
    """The types and literal values that an annotation allows, unions and metadata undone."""
    parts = typing.get_args(annotation)
    if typing.get_origin(annotation) is Literal:
        return [*parts]
    if typing.get_origin(annotation) is typing.Annotated:
        return _options(parts[0])
    return [each for part in parts for each in _options(part)] if parts else [annotation]


@dataclass(frozen=True)
class Leaf:
    """A value of the resolved spec that `--set` can change."""

    path: str
    value: object
    annotation: object

    def matches(self, patterns: Iterable[str]) -> bool:
        return any(fnmatchcase(self.path, pattern) for pattern in patterns)

    def alternatives(self) -> tuple[list[list[str]], bool]:
        """Other values as overrides, and whether each is known to be legal."""
        found = next((v for k, v in ALTERNATIVES.items() if fnmatchcase(self.path, k)), None)
        parent = self.path.rpartition(".")[0]
        role = parent.rpartition(".")[2]
        texts = found or tuple(f"{{}}={each}" for each in legal(self.value, self.annotation))
        named = (("{parent}", parent), ("{role}", role), ("{}", self.path))
        made = []
        for text in texts:
            for mark, value in named:
                text = text.replace(mark, value)
            made.append([flag for each in text.split(" ; ") for flag in ("--set", each)])
        return made, found is not None


def leaves(value: object, annotation: object, path: str = "") -> Iterator[Leaf]:
    """Every leaf below a value; a mapping, and a list of parts, is one itself beside its parts."""
    if isinstance(value, BaseModel):
        if type(None) in _options(annotation):
            yield Leaf(path, value, None)
        for name, field in type(value).model_fields.items():
            below = f"{path}.{name}" if path else name
            yield from leaves(getattr(value, name), field.annotation, below)
    elif isinstance(value, dict):
        yield Leaf(path, value, annotation)
        for key, each in value.items():
            yield from leaves(each, typing.get_args(annotation)[1], f"{path}.{key}")
    else:
        yield Leaf(path, value, annotation)
        for number, each in enumerate(value if isinstance(value, list) else ()):
            if isinstance(each, BaseModel):
                yield from leaves(each, type(each), f"{path}.{number}")


def write_project(root: Path) -> None:
    """A project with four short documents and an alternative to everything that a spec names."""
    for name in ("prompts", "templates", "specs"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    for role in ROLES:
        base = root / "prompts" / role / "base"
        shutil.copytree(base, base.parent / "same")
        shutil.copytree(base, base.parent / "other")
        with (base.parent / "other/system.j2").open("a", encoding="utf-8") as file:
            file.write("Take care.\n")
    data = root / "specs/data"
    rows = [json.loads(line) for line in (data / "rollouts.jsonl").open(encoding="utf-8")]
    sizes: dict[str, int] = {}
    for row in rows:
        sizes[row["doc_id"]] = sizes.get(row["doc_id"], 0) + len(row["continuation"])
    few = sorted(sizes, key=lambda doc_id: (abs(sizes[doc_id] - 5500), doc_id))[:4]
    rows = [_doubled(row) for row in rows if row["doc_id"] in few]
    _write_rows(data / "tiny.jsonl", rows)
    _write_rows(data / "same.jsonl", rows)
    _write_rows(data / "other.jsonl", [{**r, "prefix": "Once. " + r["prefix"]} for r in rows])
    shutil.copyfile(root / TOKENIZER, data / "same.json.gz")
    tokenizer = json.loads(gzip.decompress((root / TOKENIZER).read_bytes()))
    tokenizer["model"]["merges"] = tokenizer["model"]["merges"][:2000]
    (data / "other.json").write_text(json.dumps(tokenizer), encoding="utf-8")
    (root / "specs/tiny.yaml").write_text(SPEC, encoding="utf-8")
    free = f"extends: base.yaml\n{SPEC.partition('models:')[0].partition('extends: base.yaml')[2]}"
    rest = "scoring:" + SPEC.partition("scoring:")[2]
    (root / "specs/free.yaml").write_text(f"{free}models:\n{FREE_MODELS}\n{rest}", encoding="utf-8")


def _doubled(row: dict[str, Json]) -> dict[str, Json]:
    """A row whose every column has a second one that says something else."""
    return {
        **row,
        "doc_id2": f"{row['doc_id']}-2",
        "doc_source2": f"{row['doc_source']}-2",
        "prefix2": f"It began so. {row['prefix']}",
        "continuation2": f"{row['continuation']} So it ended.",
        "doc_idx2": 9 - cast(int, row["doc_idx"]),
    }


def _write_rows(path: Path, rows: Iterable[dict[str, Json]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def resolved() -> Spec:
    """The spec that is mutated, without what it names."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "prompts").mkdir()
        (root / "specs").mkdir()
        shutil.copy(ROOT / "specs/base.yaml", root / "specs/base.yaml")
        (root / "specs/tiny.yaml").write_text(SPEC, encoding="utf-8")
        draft = load.read(root / "specs/tiny.yaml")
    assert draft.spec is not None, draft.problems
    return draft.spec


LEAVES = {leaf.path: leaf for leaf in leaves(resolved(), Spec)}


class StandIn:
    """Encodes as the paid providers do; its replies hold the key of the body that they answer."""

    name = "anthropic"
    free = True
    max_bytes = 1 << 30

    def encode(self, request: Request) -> dict[str, Json]:
        return messages_body(request)

    def unsettled(self) -> bool:
        return False

    def ask(self, calls: Iterable[Call], deliver: Deliver, commit: Callable[[], None]) -> None:
        for call in calls:
            body = json.loads(call.body)
            text = respond(body["messages"][0]["content"], call.sample)
            if call.purpose.role == "generator":
                text = json.dumps({**json.loads(text), "sibling_rationale": f"For {call.key}."})
            elif call.purpose.role == "answerer":
                text += f" {call.key[:12]}"
            else:
                text = f"0.{int(call.key[:12], 16)}"
            size, model = len(call.body), str(body["model"])
            reply = Reply(Outcome.OK, text, model, "end_turn", size, len(text), call.key[:16], "")
            deliver(call.key, call.purpose, reply)


def run(*args: str | Path) -> tuple[int, dict[str, Json]]:
    """One command in process: exit code and JSON."""
    out, code = io.StringIO(), 2
    with redirect_stdout(out), redirect_stderr(io.StringIO()):
        try:
            code = cli.main([*map(str, args), "--json"])
        except SystemExit as error:
            code = int(error.code or 0)
    return code, json.loads(out.getvalue())


def forget() -> None:
    """Empty what the stages remember within a process, as a new one would begin."""
    for name, module in [*sys.modules.items()]:
        if name.startswith("compiler.stages"):
            for key, value in vars(module).items():
                if hasattr(value, "cache_clear"):
                    value.cache_clear()
                elif key.endswith("_CACHE"):
                    value.clear()


@dataclass(frozen=True)
class Built:
    """What a build brought: the digest of every step, and every file of the dataset."""

    outputs: dict[str, str]
    files: dict[str, bytes]


@dataclass
class Desk:
    """Two copies of one project: one keeps all that was ever built, one nothing."""

    warm: Path
    cold: Path
    base: Built | None = None

    def plan(self, *args: str, spec: str = "tiny") -> dict[str, str] | None:
        """The state of every step over the full store; None for a spec that is refused."""
        code, data = run("plan", self.warm / f"specs/{spec}.yaml", *args)
        assert code in (0, 2), data
        if code == 2:
            return None
        steps = cast(list[dict[str, str]], data["steps"])
        return {f"{step['stage']} {step['part']}": step["state"] for step in steps}

    def build(self, root: Path, *args: str, spec: str = "tiny") -> Built | str:
        """Build; the message of an error that a user can cause."""
        code, data = run("build", root / f"specs/{spec}.yaml", *args)
        if code:
            assert code in (1, 2), data
            return str(data["error"])
        place = Path(str(data["dataset"]))
        found = {
            file.relative_to(place).as_posix(): file.read_bytes()
            for file in sorted(place.rglob("*"))
            if file.is_file()
        }
        return Built(cast(dict[str, str], data["outputs"]), found)

    def anew(self, *args: str, spec: str = "tiny") -> Built | str:
        """Build with no store, no log and no memory."""
        for name in ("build", ".probec"):
            shutil.rmtree(self.cold / name, ignore_errors=True)
        forget()
        return self.build(self.cold, *args, spec=spec)

    @property
    def baseline(self) -> Built:
        assert self.base is not None
        return self.base

    def change(self, *args: str) -> bool:
        """Prove that nothing stale is served after a change; whether any output differs."""
        states = self.plan(*args)
        assert states is not None, f"refused: {args}"
        assert set(states.values()) != {"fresh"}, f"no step is stale after {args}"
        anew = self.anew(*args)
        again = self.build(self.warm, *args)
        assert again == anew, difference(again, anew)
        if not isinstance(anew, Built):
            return True
        moved = {
            step
            for step, digest in anew.outputs.items()
            if self.baseline.outputs.get(step) != digest
        }
        kept = {step for step, state in states.items() if state == "fresh"}
        assert not moved & kept, f"called fresh, but another content: {sorted(moved & kept)}"
        after = self.plan(*args)
        assert after is not None
        assert set(after.values()) == {"fresh"}
        return anew != self.baseline


def difference(left: Built | str, right: Built | str) -> str:
    """What a failing comparison is about, in a few lines."""
    if not isinstance(left, Built) or not isinstance(right, Built):
        return f"{left!s:.300} | {right!s:.300}"
    steps = [s for s in right.outputs if left.outputs.get(s) != right.outputs[s]]
    files = [f for f in right.files if left.files.get(f) != right.files[f]]
    return f"a stale artefact was served: steps {steps}, files {files}"


def of_every(role: str) -> list[str]:
    """The names of a role's template files, or of the templates beside the prompts."""
    if role in ROLES:
        return [f"prompts/{n}" for n in Library(ROOT / "prompts").prompt_closure(f"{role}/base")]
    names = ("probes/word.j2", "probes/lens.j2", "card.md.j2")
    return [f"templates/{name}" for name in Library(ROOT / "templates").closure(*names)]


TEMPLATES = [name for kind in (*ROLES, "templates") for name in of_every(kind)]


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    folder = tmp_path_factory.mktemp("mutations")
    write_project(folder / "warm")
    shutil.copytree(folder / "warm", folder / "cold")
    made = Desk(folder / "warm", folder / "cold")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("anthropic", "anthropic-batch"):
            patch.setitem(PROVIDERS, name, lambda _: StandIn())
        built = made.build(made.warm)
        assert isinstance(built, Built), built
        made.base = built
        yield made


def test_the_baseline_is_rich_enough_to_show_changes(desk: Desk) -> None:
    stats = json.loads(desk.baseline.files["stats.json"])
    assert {s["scope"] for s in stats["scopes"] if s["built"]} == set(resolved().scopes)
    assert desk.anew() == desk.baseline
    states = desk.plan()
    assert states is not None
    assert set(states.values()) == {"fresh"}


@pytest.mark.parametrize("path", LEAVES)
def test_a_changed_leaf_never_meets_a_stale_artefact(desk: Desk, path: str) -> None:
    leaf = LEAVES[path]
    alternatives, known = leaf.alternatives()
    assert alternatives, f"name other values of {path} in ALTERNATIVES"
    tried = 0
    shown = False
    for args in alternatives:
        states = desk.plan(*args)
        if states is None:
            assert not known, f"ALTERNATIVES names an illegal value: {args}"
            continue
        tried += 1
        if leaf.matches(NEGATIVE):
            assert set(states.values()) == {"fresh"}, f"{args} makes steps stale"
            assert desk.anew(*args) == desk.baseline
        else:
            shown |= desk.change(*args)
    if leaf.matches(FIXED):
        assert not tried, f"{path} has another legal value: take it out of FIXED"
    else:
        assert tried, f"name another legal value of {path} in ALTERNATIVES, or put it in FIXED"
        assert shown != leaf.matches(NEGATIVE), "no output shows it: choose a value that does"
