"""Changes of every leaf of a spec and of bytes of every template, none of which serves stale data.

Each change is built twice: over a store and a response log that hold every earlier build, and over
empty ones. All outputs and all files of the dataset must be equal. The paid provider is replaced by
one that encodes the real wire body, sends nothing and puts the body's key into its reply. So a
changed body changes an output, and a change that no output shows is in no request.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from itertools import islice
from pathlib import Path
from typing import Literal, TypeAlias, cast

import pytest
import yaml
from msgspec.structs import replace
from pydantic import BaseModel

from compiler import cli, embedded
from compiler.keys import Json
from compiler.llm.messages import Call, Deliver, Outcome, Reply, Request, encode
from compiler.llm.providers import FREE, PROVIDERS, REPLYING, Entry
from compiler.llm.providers.anthropic.wire import messages_body
from compiler.pricing import usage
from compiler.probes import alternatives
from compiler.project import problems
from compiler.spec import load
from compiler.spec.declared import of_probes
from compiler.spec.model import Spec
from compiler.stages import expand, finalize
from compiler.statistics import stats
from compiler.templating.prompts import Library
from tests import memo
from tests.conftest import ROOT
from tests.llm.parts import settings

# Each change is built over the results of all earlier builds.
pytestmark = pytest.mark.xdist_group("mutations")

ROLES = ("generator", "answerer", "judge")
TOKENIZER = "specs/data/bpe-8k.json.gz"

# Every optional part is present, so that every leaf can be changed.
SPEC = f"""\
extends: base.yaml
name: tiny
seed: 21
source:
  path: specs/data/tiny.jsonl
  model: writer
  tokenizer: {TOKENIZER}
  license: public domain
  homepage: https://example.org
  filters: {{min_chars: 300, boilerplate: {{}}, sentence: {{}}, copies: {{}}}}
  columns: {{doc_id: doc_id, doc_source: doc_source, prefix: prefix, continuation: continuation, doc_idx: doc_idx}}
rounds: [{{docs: 2}}, {{docs: 1}}]
shard_docs: 2
splits: {{margin_chars: 100, margin_share: 0.12, whole_share: 0.15, word_candidates: 3}}
slots_per_document: 6
scopes:
  word: {{slots: 2, distance: {{max: 20}}}}
  lens: {{slots: 1, distance: {{max: 4}}, tokenizer: specs/data/same.json.gz}}
  sentence: {{slots: 1}}
  paragraph: {{slots: 1}}
  whole: {{slots: 1, distance: {{max: 3}}}}
calibration: {{level: 1}}
models:
  generator: {{provider: anthropic, model: model-a, prompt: generator/base, max_tokens: 9000, thinking: {{budget_tokens: 2000}}, cache: 5m, base_url: "http://127.0.0.1:9"}}
  answerer: {{provider: anthropic, model: model-a, prompt: answerer/base, max_tokens: 2000, thinking: {{budget_tokens: 1024}}, cache: 5m, base_url: "http://127.0.0.1:9"}}
  judge: {{provider: anthropic, model: model-a, prompt: judge/base, max_tokens: 1500, thinking: {{budget_tokens: 1024}}, cache: 5m, base_url: "http://127.0.0.1:9"}}
scoring:
  rollouts: 2
  view: {{max_chars: 500}}
  stop: {{after: 1}}
  baselines: {{no_context: {{share: 0.9}}, full_information: {{share: 0.9}}, shuffled_context: {{share: 1.0}}}}
  anchors: {{share: 0.9}}
  rejudge: {{share: 0.9, times: 2}}
prices:
  model-a: {{input: 1.0, output: 5.0, batch: 0.5}}
  model-b: {{input: 2.0, output: 7.0, batch: 0.4}}
budget: {{max_usd: 1000}}
publish: {{template_model: none}}
"""  # noqa: E501 - as a user would write it
FREE_MODELS = "\n".join(
    f"  {role}: {{provider: extractive, model: extractive-4, thinking: null}}" for role in ROLES
)

# Leaves that make no step stale. Each is proven to change no output either.
NEGATIVE = (
    "source.revision",  # of a Hub dataset; a local file has none
    "calibration.levels",
    "calibration.levels.[!1]*",  # the text of a level that is not in use
    "calibration.evidence",  # the evidence of the choice that `calibrate` made
    "calibration.select.*",
    "max_lost",
    # Read by `probec push`, after a build.
    *(f"publish.{name}*" for name in ("to", "private", "revision", "splits", "configs", "exclude")),
    *("publish.license_name", "publish.license_link"),
    "models.*.base_url",
    "models.*.concurrency",
    "models.*.read_timeout",
    "prices",
    "prices.*.batch",  # of a provider that is not batched
    "prices.*.cache_minimum",
    "prices.model-b.*",
    "prices.claude*",
    "scoring.anchors.max_wrong",
    "scoring.anchors.min_gap",  # reported about the rows of a build, and not part of them
    "expect.*",
    "batches.*",
    "budget.*",
    "rehearsal.*",
)

# Leaves that are in keys although no value of theirs changes an output.
QUIET: tuple[str, ...] = ()

# Leaves with one legal value: every other one is rejected, which is tested.
FIXED = (
    "kind",
    "source.rollouts",
    "source.filters.boilerplate.patterns",
    "source.filters.sentence.action",
    "scopes.*.kind",
    "scoring.policy",
    "models.*.temperature",
    "models.*.top_p",
    "models.*.top_k",
    "models.[aj]*.structured",
)

# Other legal values, where the type alone does not lead to one that shows. Patterns of paths;
# ` ; ` joins values that must change together. `{}` is the path itself.
ALTERNATIVES: Mapping[str, tuple[str, ...]] = {
    "name": ("{}=other",),
    "scopes.whole.atom.min_words": ("{}=400",),
    "scopes.paragraph.unit": ("{}=sentence",),
    "scopes.*.unit": ("{}=paragraph",),
    "scoring.compare": ("{}=target_response", "{}={default: atom_text, whole: both}"),
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
    "publish.languages": ("{}=[de]", "{}=[de, en]"),
    "publish.splits": ("{}={train: 0.5, test: 0.5}",),
    "publish.configs": ("{}=[documents]",),
    "rounds": ("{}=[{docs: 3}]", "{}=[{docs: 3}, {docs: 1}, {docs: 1}]"),
    "rounds.0.docs": ("{}=1", "{}=4"),
    "rounds.1.docs": ("{}=2",),
    "shard_docs": ("{}=1",),
    "siblings.shown": ("{}=2",),
    "source.filters.min_chars": ("{}=900",),
    "source.filters.leak.tokens": ("{}=[the]",),
    "source.filters.loop.window": ("{}=20",),
    "source.filters.loop.share": ("{}=0.1",),
    "source.filters.loop.coverage": ("{}=0.0",),
    "source.filters.loop.action": ("{}=reject ; {parent}.share=0.1",),
    "source.filters.copies.*": ("{}=0.0",),
    **{
        f"source.filters.{name}": ("{}=null",)
        for name in ("leak", "loop", "boilerplate", "sentence", "copies")
    },
    "source.filters": ("{}.min_chars=900",),
    "splits.margin_chars": ("{}=400",),
    "splits.margin_share": ("{}=0.35",),
    "splits.whole_share": ("{}=0.45",),
    "slots_per_document": ("{}=7 ; scopes.word.slots=3",),
    "scopes": (
        "scopes.extra={kind: written, order: 9, slots: 1, split: sentence, unit: sentence, "
        "synergy: tie two things together} ; slots_per_document=7",
    ),
    "scopes.word.order": ("{}=1 ; scopes.lens.order=0", "{}=7"),
    "scopes.lens.order": ("{}=8", "{}=0 ; scopes.word.order=1"),
    "scopes.whole.order": ("{}=3 ; scopes.paragraph.order=4",),
    "scopes.*.order": ("{}=9",),
    "scopes.word.slots": ("{}=1 ; slots_per_document=5",),
    "scopes.lens.slots": ("{}=0 ; slots_per_document=5",),
    "scopes.*.slots": ("{}=2 ; slots_per_document=7", "{}=0 ; slots_per_document=5"),
    "scopes.*.distance.max": ("{}=1",),
    "scopes.word.tokenizer": ("{}=specs/data/other.json", "{}=specs/data/same.json.gz"),
    "scopes.lens.tokenizer": ("{}=specs/data/other.json", "{}=null"),
    "scopes.*.atom.min_chars": ("{}=500",),
    "scopes.*.atom.max_chars": ("{}=550",),
    "scopes.paragraph.atom.min_words": ("{}=100",),
    "scopes.*.atom.min_words": ("{}=40",),
    "scopes.*.atom.min_sentences": ("{}=9",),
    "calibration.level": ("{}=-2", "{}=0"),
    "calibration.levels": ("{}.2={text: else}",),
    "models.*.provider": (
        "{}=anthropic-batch",
        "{}=extractive ; {parent}.model=extractive-4",
    ),
    "models.*.model": ("{}=model-b",),
    "models.judge.prompt": ("{}=judge/other", "{}=judge/same"),
    "models.*.prompt": ("{}={role}/other",),
    "models.*.max_tokens": ("{}=20000",),
    "scoring.rollouts": ("{}=1 ; scoring.stop=null", "{}=3"),
    "scoring.judging": ("{}=together ; models.judge.prompt=judge/together",),
    "scoring.stop.after": ("{}=2 ; scoring.rollouts=3",),
    "scoring.baselines.*.prompt": ("{}={baseline}_other",),
    "scoring.baselines.*.rollouts": ("{}=2",),
    "scoring.*.share": ("{}=0.5",),
    "scoring.view.max_chars": ("{}=300", "{}=100000"),
    "scoring.reduce": ("{}=[max]", "{}=[min, mean]"),
    "scoring.bands.hard": ("{}=0.1",),
    "scoring.bands.easy": ("{}=0.5",),
    "prices": ("prices.model-c={input: 1.0, output: 1.0}",),
    "expect.sets": ("{}.other={built: 0.5}",),
    "expect.use": ("{}=other ; expect.sets.other={built: 0.5}",),
    "expect.*.scopes": ("{}.paragraph={input: 900}",),
    "publish.row_group_rows": ("{}=16",),
    "rehearsal.tokenizer": ("{}=specs/data/other.json",),
}


# Leaves of one kind enter the same parameters, so for these the keys are enough in most runs, and
# only the leaf that the replacement names is built.
ALIKE = (
    (r"^scopes\.(paragraph|whole)\.", "scopes.sentence."),
    (r"\.(full_information|shuffled_context)\.", ".no_context."),
    (r"^models\.(answerer|judge)\.(?=max_tokens|thinking|cache|sampling)", "models.generator."),
)


def legal(value: object, annotation: object) -> Iterator[str]:
    """Generate other values of a leaf's type, those likely to be legal and to show first."""
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
    """List the types and literal values that an annotation allows, without unions and metadata."""
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
        """Return other values as overrides, and for each whether it is known to be legal."""
        found = next((v for k, v in ALTERNATIVES.items() if fnmatchcase(self.path, k)), None)
        parent = self.path.rpartition(".")[0]
        role = parent.rpartition(".")[2]
        texts = found or tuple(f"{{}}={each}" for each in legal(self.value, self.annotation))
        baseline = f"answerer/{role}"
        named = (
            ("{parent}", parent),
            ("{role}", role),
            ("{baseline}", baseline),
            ("{}", self.path),
        )
        made = []
        for text in texts:
            for mark, value in named:
                text = text.replace(mark, value)
            made.append([flag for each in text.split(" ; ") for flag in ("--set", each)])
        return made, found is not None


def leaves(value: object, annotation: object, path: str = "") -> Iterator[Leaf]:
    """Yield every leaf below a value; a mapping or a list of parts is a leaf beside its parts."""
    if isinstance(value, BaseModel):
        if type(None) in _options(annotation):
            yield Leaf(path, value, None)
        for name, part in type(value).model_fields.items():
            below = f"{path}.{name}" if path else name
            yield from leaves(getattr(value, name), part.annotation, below)
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
    """Write a project with five short documents and an alternative for every name in a spec."""
    for name in ("prompts", "templates", "specs"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    for role in ROLES:
        base = root / "prompts" / role / "base"
        shutil.copytree(base, base.parent / "same")
        shutil.copytree(base, base.parent / "other")
    for name in ("no_context", "full_information"):
        shutil.copytree(root / f"prompts/answerer/{name}", root / f"prompts/answerer/{name}_other")
    for name in (
        *(f"{role}/" for role in ROLES),
        "answerer/no_context_",
        "answerer/full_information_",
    ):
        with (root / f"prompts/{name}other/system.j2").open("a", encoding="utf-8") as file:
            file.write("Take care.\n")
    data = root / "specs/data"
    lines = (data / "rollouts.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    sizes: dict[str, int] = {}
    for row in rows:
        sizes[row["doc_id"]] = sizes.get(row["doc_id"], 0) + len(row["continuation"])
    few = sorted(sizes, key=lambda doc_id: (abs(sizes[doc_id] - 6000), doc_id))[:5]
    rows = [_doubled(row) for row in rows if row["doc_id"] in few and row["doc_idx"] < 4]
    # Each filter of the spec finds something.
    tails = ("<|im_end|>It.", "\n\nAll rights reserved", " And so", "")
    for row in rows:
        row["continuation"] = f"{row['continuation']}{tails[cast(int, row['doc_idx'])]}"
    _write_rows(data / "tiny.jsonl", rows)
    _write_rows(data / "same.jsonl", rows)
    _write_rows(data / "other.jsonl", [{**r, "prefix": f"Once. {r['prefix']}"} for r in rows])
    shutil.copyfile(root / TOKENIZER, data / "same.json.gz")
    tokenizer = json.loads(gzip.decompress((root / TOKENIZER).read_bytes()))
    tokenizer["model"]["merges"] = tokenizer["model"]["merges"][:2000]
    (data / "other.json").write_text(json.dumps(tokenizer), encoding="utf-8")
    (root / "specs/tiny.yaml").write_text(SPEC, encoding="utf-8")
    free = f"extends: base.yaml\n{SPEC.partition('models:')[0].partition('extends: base.yaml')[2]}"
    rest = "scoring:" + SPEC.partition("scoring:")[2]
    (root / "specs/free.yaml").write_text(f"{free}models:\n{FREE_MODELS}\n{rest}", encoding="utf-8")


def _doubled(row: dict[str, Json]) -> dict[str, Json]:
    """Add to a row a second column with a different value for each of its columns."""
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
    """Resolve the spec that is mutated, without the files that it names."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "prompts").mkdir()
        (root / "specs").mkdir()
        shutil.copy(ROOT / "specs/base.yaml", root / "specs/base.yaml")
        (root / "specs/tiny.yaml").write_text(SPEC, encoding="utf-8")
        draft = load.read(root / "specs/tiny.yaml")
    assert draft.spec is not None, draft.problems
    return of_probes(draft.spec)


LEAVES = {leaf.path: leaf for leaf in leaves(resolved(), Spec)}


class StandIn:
    """A provider that encodes as the paid ones do; its replies hold the key of their body."""

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
            # Two samples each have equal answers, as samples of a model may have.
            sample = call.sample // 2 if call.purpose.role == "answerer" else call.sample
            text = embedded.respond(body["messages"][0]["content"], sample)
            if call.purpose.role == "generator":
                text = json.dumps({**json.loads(text), "sibling_rationale": f"For {call.key}."})
            elif call.purpose.role == "answerer":
                text += f" {hashlib.sha256(call.body).hexdigest()[:12]} {sample}"
            else:
                text = f"0.{int(call.key[:12], 16)}"
            size, model = len(call.body), str(body["model"])
            reply = Reply(Outcome.OK, text, model, "end_turn", size, len(text), call.key[:16], "")
            deliver(call.key, call.purpose, reply)


def unlock(root: Path) -> None:
    """Delete the locks: every mutation is a new dataset, and a locked round would reject half."""
    shutil.rmtree(root / "build/rounds", ignore_errors=True)


def run(*args: str | Path) -> tuple[int, dict[str, Json]]:
    """Run a command in process and return exit code and JSON."""
    out, code = io.StringIO(), 2
    with redirect_stdout(out), redirect_stderr(io.StringIO()):
        try:
            code = cli.main([*map(str, args), "--json"])
        except SystemExit as error:
            code = int(error.code or 0)
    return code, json.loads(out.getvalue())


def forget() -> None:
    """Clear the caches that stages keep within a process."""
    for name, module in [*sys.modules.items()]:
        if name.startswith("compiler.stages"):
            for key, value in vars(module).items():
                if hasattr(value, "cache_clear"):
                    value.cache_clear()
                elif key.endswith("_CACHE"):
                    value.clear()


@dataclass(frozen=True)
class Built:
    """The result of a build: the digest of every step, and every file of the dataset."""

    outputs: dict[str, str]
    files: dict[str, bytes]


Planned: TypeAlias = tuple[str, str | None]


@dataclass
class Desk:
    """Two copies of one project: one keeps the results of all builds, one keeps none.

    `fresh`: the plan after the unchanged spec was built.
    """

    warm: Path
    cold: Path
    spec: str = "tiny"
    base: Built | None = None
    fresh: dict[str, Planned] = field(default_factory=dict)

    def plan(self, *args: str, spec: str = "") -> dict[str, Planned] | None:
        """Return state and key of every step over the full store; None for a rejected spec."""
        unlock(self.warm)
        code, data = run("plan", self.warm / f"specs/{spec or self.spec}.yaml", *args)
        assert code in (0, 2), data
        if code == 2:
            return None
        steps = cast(list[dict[str, str | None]], data["steps"])
        return {f"{s['stage']} {s['part']}": (str(s["state"]), s["key"]) for s in steps}

    def build(self, root: Path, *args: str) -> Built | str:
        """Build; return the message if the build ends with a user error."""
        unlock(root)
        with pytest.MonkeyPatch.context() as patch:
            # Planning finds every problem as well, and this search takes much of a build's time.
            patch.setattr(problems, "find", lambda draft: draft.problems)
            # The usage of a build is read by estimates alone, and measuring it plans every step.
            patch.setattr(usage, "save", lambda project, context: None)
            # Caches that stages keep are cleared for the other copy alone, so only its results
            # are kept between builds.
            if root == self.warm:
                patch.setattr(finalize, "_document", memo.DOCUMENT)
                patch.setattr(expand, "_run", memo.EXPAND)
                patch.setattr(stats, "compute", memo.COMPUTE)
            spec = root / f"specs/{self.spec}.yaml"
            # What is lost must be equal, too, so a build may lose everything.
            code, data = run("build", spec, *args, "--set", "max_lost=1")
        if "error" in data:
            assert code in (1, 2), data
            return str(data["error"])
        place = Path(str(data["dataset"]))
        found = {
            file.relative_to(place).as_posix(): file.read_bytes()
            for file in sorted(place.rglob("*"))
            if file.is_file()
        }
        # The same dataset may be built by several commands, of which the first is named.
        stamp = json.loads(found[".installed.json"])
        found[".installed.json"] = json.dumps(stamp["files"]).encode()
        return Built(cast(dict[str, str], data["outputs"]), found)

    def anew(self, *args: str) -> Built | str:
        """Build with empty store, log and memory."""
        for name in ("build", ".probec"):
            shutil.rmtree(self.cold / name, ignore_errors=True)
        forget()
        return self.build(self.cold, *args)

    def begin(self) -> None:
        """Build the unchanged spec, the baseline of all comparisons."""
        built = self.build(self.warm)
        planned = self.plan()
        assert isinstance(built, Built), built
        assert planned is not None
        assert {state for state, _ in planned.values()} == {"fresh"}
        assert [*planned] == [*built.outputs]
        self.base, self.fresh = built, planned

    @property
    def baseline(self) -> Built:
        assert self.base is not None
        return self.base

    def change(self, *args: str) -> bool:
        """Prove that no stale result is served after a change; return True if an output differs."""
        planned = self.plan(*args)
        assert planned is not None, f"refused: {args}"
        assert planned != self.fresh, f"no key differs after {args}"
        anew = self.anew(*args)
        again = self.build(self.warm, *args)
        assert again == anew, difference(again, anew)
        if not isinstance(anew, Built):
            return True
        # The store holds other builds too, so a step may be cached, but never under an old key.
        for step, digest in anew.outputs.items():
            if self.baseline.outputs.get(step) != digest:
                key = planned[step][1]
                assert key is None or key != self.fresh.get(step, ("", ""))[1], step
        return anew != self.baseline


def difference(left: Built | str, right: Built | str) -> str:
    """Summarize a failed comparison in a few lines."""
    if not isinstance(left, Built) or not isinstance(right, Built):
        return f"{left!s:.300} | {right!s:.300}"
    steps = [s for s in right.outputs if left.outputs.get(s) != right.outputs[s]]
    files = [f for f in right.files if left.files.get(f) != right.files[f]]
    return f"a stale artefact was served: steps {steps}, files {files}"


def of_every(role: str) -> list[str]:
    """List a role's template files, or the templates beside the prompts."""
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
        # The search for alternatives among so few documents would take half of a build.
        patch.setattr(alternatives, "_TRIES", 30)
        for name in ("anthropic", "anthropic-batch"):
            patch.setitem(PROVIDERS, name, Entry(lambda _: StandIn()))
        made.begin()
        yield made


def test_the_baseline_is_rich_enough_to_show_changes(desk: Desk) -> None:
    stats = json.loads(desk.baseline.files["stats.json"])
    assert {s["scope"] for s in stats["scopes"] if s["built"]} == set(resolved().scopes)
    assert desk.anew() == desk.baseline


@pytest.mark.parametrize("path", LEAVES)
def test_a_changed_leaf_serves_no_stale_artifact(
    desk: Desk, path: str, pytestconfig: pytest.Config
) -> None:
    leaf = LEAVES[path]
    alike = path
    for pattern, replacement in ALIKE:
        alike = re.sub(pattern, replacement, alike)
    keys_only = alike != path and alike in LEAVES and not pytestconfig.getoption("--full")
    alternatives, known = leaf.alternatives()
    assert alternatives, f"name other values of {path} in ALTERNATIVES"
    negative, fixed = leaf.matches(NEGATIVE), leaf.matches(FIXED)
    tried, shown = 0, False
    for args in alternatives:
        if not known and not fixed and (shown or (tried and negative)):
            break  # values guessed from the type: one that shows is enough
        planned = desk.plan(*args)
        if planned is None:
            assert not known, f"ALTERNATIVES names an illegal value: {args}"
            continue
        tried += 1
        if negative:
            assert planned == desk.fresh, f"{args} makes steps stale"
        elif keys_only:
            assert planned != desk.fresh, f"no key differs after {args}"
            shown = True
        else:
            shown |= desk.change(*args)
    if fixed:
        assert not tried, f"{path} has another legal value: take it out of FIXED"
    else:
        assert tried > 0, f"name another legal value of {path} in ALTERNATIVES, or put it in FIXED"
        quiet = negative or leaf.matches(QUIET)
        assert shown != quiet, "no output shows it: name a value that does, or put it in QUIET"


def test_leaves_outside_all_keys_change_no_output(desk: Desk) -> None:
    """Change them all at once, because a build of each would take too long."""
    spec = desk.warm / "specs/tiny.yaml"
    overrides = []
    for leaf in LEAVES.values():
        if leaf.matches(NEGATIVE):
            alternatives = leaf.alternatives()[0]
            overrides.append(next(a for a in alternatives if not load.read(spec, a[1::2]).problems))
    # A part is changed after the whole that contains it, or its change would be lost.
    overrides.sort(key=lambda args: len(args[1].partition("=")[0]))
    together = [flag for args in overrides for flag in args]

    assert len(overrides) > 30
    assert desk.plan(*together) == desk.fresh
    assert desk.anew(*together) == desk.baseline


@pytest.mark.parametrize(
    "same",
    [
        "scoring.reduce=[min, max, mean]",
        "shard_docs=512",
        "scoring.bands.hard=0.40",
        "seed=+21",
        "rounds=[{docs: 2}, {docs: 1}]",
    ],
)
def test_equivalent_values_hit_every_cache(desk: Desk, same: str) -> None:
    assert desk.plan("--set", same) == desk.fresh
    assert desk.anew("--set", same) == desk.baseline


def edits(data: bytes) -> Iterator[bytes]:
    """Yield a file with bytes inserted, deleted and changed at its ends and in between."""
    size = len(data)
    places = [int.from_bytes(hashlib.sha256(data + bytes([n])).digest()[:4]) for n in range(1)]
    for at in (0, *(place % size for place in places), size - 1):
        yield data[:at] + b"a" + data[at:]
        yield data[:at] + data[at + 1 :]
        yield data[:at] + (b"b" if data[at : at + 1] != b"b" else b"c") + data[at + 1 :]
    for tail in (b" ", b"\n", b"{# #}"):
        yield data + tail


@pytest.mark.parametrize("name", TEMPLATES)
def test_an_edited_byte_of_a_template_is_an_error_or_makes_steps_stale(
    desk: Desk, name: str, pytestconfig: pytest.Config
) -> None:
    data = (desk.warm / name).read_bytes()
    legal = []
    try:
        for edited in edits(data):
            (desk.warm / name).write_bytes(edited)
            planned = desk.plan()
            if planned is not None:
                assert planned != desk.fresh, f"{edited!r} is not noticed"
                legal.append(edited)
        assert legal
        # Builds take longer than plans, so one legal edit is built, and two in a full run.
        built = (legal[len(legal) // 2], legal[-2])[: 2 if pytestconfig.getoption("--full") else 1]
        for edited in dict.fromkeys(built):
            for root in (desk.warm, desk.cold):
                (root / name).write_bytes(edited)
            desk.change()
    finally:
        for root in (desk.warm, desk.cold):
            (root / name).write_bytes(data)
    assert desk.plan() == desk.fresh


def test_an_unused_template_is_part_of_no_key(desk: Desk) -> None:
    aside = desk.warm / "prompts/judge/_parts/aside.j2"
    aside.parent.mkdir()
    aside.write_text("No more than that.\n", encoding="utf-8")

    assert desk.plan() == desk.fresh


def test_a_new_include_and_a_change_of_the_included_file_are_noticed(desk: Desk) -> None:
    user, part = "prompts/answerer/base/user.j2", "prompts/answerer/_parts/note.j2"
    data = (desk.warm / user).read_bytes()
    for root in (desk.warm, desk.cold):
        (root / part).parent.mkdir()
        (root / part).write_text("Note well.\n", encoding="utf-8")
        (root / user).write_bytes(data + b'{% include "answerer/_parts/note.j2" %}\n')
    try:
        assert desk.change()
        for root in (desk.warm, desk.cold):
            (root / part).write_text("Note ill.\n", encoding="utf-8")
        assert desk.change()
    finally:
        for root in (desk.warm, desk.cold):
            (root / user).write_bytes(data)


# Other values of a request, by field; a new field must be added here.
REQUEST = Request(
    "model-a", "Be brief.", "<question>Why?</question>", 4000, 1024, {"type": "object"}, "5m"
)
OTHER: Mapping[str, tuple[object, ...]] = {
    "model": ("model-b", "model-a ", ""),
    "system": ("Be brief. ", "be brief.", ""),
    "user": ("<question>Why? </question>", "<question>Why?</question>\n", "", "\u00e9"),
    "max_tokens": (4001, 1),
    "thinking_tokens": (1025, None),
    "schema": ({"type": "array"}, {"type": "object", "x": None}, None),
    "cache": ("1h", None),
    "sampling": ((("temperature", 0.5),), (("temperature", 1.0),), (("top_k", 5),)),
}


@pytest.mark.parametrize("name", [name for name in REPLYING if name not in FREE])
@pytest.mark.parametrize("part", Request.__struct_fields__)
def test_every_field_of_a_request_is_in_the_sent_body(name: str, part: str) -> None:
    provider = PROVIDERS[name].open(settings())
    changed = [replace(REQUEST, **{part: o}) for o in OTHER[part]]
    bodies = [encode(provider, each) for each in (REQUEST, *changed)]

    assert len(set(bodies)) == len(bodies)


def test_text_moved_between_the_fields_of_a_request_changes_the_body() -> None:
    provider = PROVIDERS["anthropic"].open(settings())
    asked = [
        replace(REQUEST, system="ab", user="c"),
        replace(REQUEST, system="a", user="bc"),
        replace(REQUEST, system="abc", user=""),
    ]

    assert len({encode(provider, each) for each in asked}) == 3


def test_live_and_batched_requests_have_the_same_bytes() -> None:
    names = [name for name in REPLYING if name not in FREE]

    assert len({encode(PROVIDERS[name].open(settings()), REQUEST) for name in names}) == 1


@pytest.fixture(scope="module")
def free(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """Build a project that uses no paid provider."""
    folder = tmp_path_factory.mktemp("free")
    write_project(folder / "warm")
    shutil.copytree(folder / "warm", folder / "cold")
    made = Desk(folder / "warm", folder / "cold", "free")
    made.begin()
    return made


# Leaves that both the generator's prompt and later stages use: the reply may stay the same
# although the request changed, so later stages must notice the change themselves.
TWICE = (
    "scopes.*.alternative",
    "scopes.*.unit",
    "scopes.*.synergy",
    "calibration.level",
    "calibration.levels.1.text",
)


@pytest.mark.parametrize("path", [path for path, leaf in LEAVES.items() if leaf.matches(TWICE)])
def test_a_changed_leaf_is_noticed_by_every_stage_that_uses_it(
    free: Desk, path: str, pytestconfig: pytest.Config
) -> None:
    legal = (args for args in LEAVES[path].alternatives()[0] if free.plan(*args) is not None)
    # One value shows which stages use the leaf; a full run tries every other one.
    for args in islice(legal, None if pytestconfig.getoption("--full") else 1):
        free.change(*args)


@pytest.mark.parametrize(
    "override",
    [
        *(f"prices.model-a.{name}=0.25" for name in ("input", "output", "batch")),
        "prices={}",
        "budget.max_usd=0",
        *(f"models.{role}.concurrency=200" for role in ROLES),
        *(f"models.{role}.base_url=http://127.0.0.1:1" for role in ROLES),
    ],
)
def test_prices_and_transport_of_free_models_are_in_no_key(free: Desk, override: str) -> None:
    assert free.plan("--set", override) == free.fresh


def _commented(text: str) -> str:
    lines = [f"{line}\n\n# between the lines" for line in text.splitlines() if line.strip()]
    return "# at the top\n\n" + "\n".join(lines) + "\n# at the end"


def _reordered(value: object) -> object:
    if isinstance(value, dict):
        return {key: _reordered(value[key]) for key in reversed([*value])}
    return [_reordered(each) for each in value] if isinstance(value, list) else value


SPELLINGS: Mapping[str, Callable[[str], str]] = {
    "comments and blank lines": _commented,
    "reversed keys": lambda t: yaml.safe_dump(_reordered(yaml.safe_load(t)), sort_keys=False),
    "sorted keys": lambda t: yaml.safe_dump(yaml.safe_load(t), sort_keys=True),
    "flow style": lambda t: yaml.safe_dump(yaml.safe_load(t), default_flow_style=True, width=10**6),
    "block style": lambda t: yaml.safe_dump(yaml.safe_load(t), default_flow_style=False),
    "double quotes": lambda t: yaml.safe_dump(yaml.safe_load(t), default_style='"'),
    "single quotes": lambda t: yaml.safe_dump(yaml.safe_load(t), default_style="'"),
    "narrow lines": lambda t: yaml.safe_dump(yaml.safe_load(t), width=20, indent=7),
    "line ends of another system": lambda t: t.replace("\n", "\r\n"),
    "document marks": lambda t: f"%YAML 1.1\n---\n{t}...\n",
    "JSON": lambda t: json.dumps(yaml.safe_load(t)),
}


@pytest.mark.parametrize("name", SPELLINGS)
@pytest.mark.parametrize("file", ["free.yaml", "base.yaml"])
def test_another_spelling_of_the_same_spec_hits_every_cache(
    free: Desk, file: str, name: str
) -> None:
    path = free.warm / "specs" / file
    text = path.read_text(encoding="utf-8")
    before = load.read(free.warm / "specs/free.yaml").spec
    try:
        # The keys of `levels` are numbers, which a file in JSON syntax cannot have.
        json_cannot = name == "JSON" and file == "base.yaml"
        spelled = text if json_cannot else SPELLINGS[name](text)
        path.write_bytes(spelled.encode("utf-8"))
        assert load.read(free.warm / "specs/free.yaml").spec == before
        assert free.plan() == free.fresh
    finally:
        path.write_text(text, encoding="utf-8")


def test_an_equal_spec_without_a_parent_hits_every_cache(free: Desk) -> None:
    spec = load.read(free.warm / "specs/free.yaml").spec
    assert spec is not None
    whole = yaml.safe_dump(spec.model_dump(), sort_keys=False)
    (free.warm / "specs/whole.yaml").write_text(whole, encoding="utf-8")

    assert load.read(free.warm / "specs/whole.yaml").spec == spec
    assert free.plan(spec="whole") == free.fresh


def test_another_place_and_another_build_directory_hit_every_cache(
    free: Desk, tmp_path: Path
) -> None:
    moved = Desk(tmp_path / "elsewhere/project", tmp_path, "free")
    shutil.copytree(free.warm, moved.warm)
    shutil.copytree(free.warm / "build", tmp_path / "b")
    linked = tmp_path / "link"
    linked.symlink_to(moved.warm, target_is_directory=True)

    assert moved.plan() == free.fresh
    assert free.plan("--build-dir", str(tmp_path / "b")) == free.fresh
    assert Desk(linked, tmp_path, "free").plan() == free.fresh
    path = free.warm.resolve() / "specs/data/tiny.jsonl"
    assert free.plan("--set", f"source.path={path}") == free.fresh


@pytest.mark.parametrize("seed", ["0", "1", "4000000000"])
def test_another_hash_seed_and_working_directory_hit_every_cache(
    free: Desk, tmp_path: Path, seed: str
) -> None:
    found = subprocess.run(
        [sys.executable, "-m", "compiler", "plan", free.warm / "specs/free.yaml", "--json"],
        cwd=tmp_path,
        env={
            **os.environ,
            "PYTHONHASHSEED": seed,
            "PYTHONPATH": str(ROOT),
            "LC_ALL": "C",
            "TZ": "Asia/Tokyo",
        },
        capture_output=True,
        text=True,
        check=True,
    )
    steps = json.loads(found.stdout)["steps"]

    assert [(step["state"], step["key"]) for step in steps] == [*free.fresh.values()]


def test_touched_and_renamed_files_hit_every_cache(free: Desk) -> None:
    """Change names and modification times of files, which are not part of their content."""
    for file in free.warm.rglob("*.j*"):
        os.utime(file, (1, 1))
    assert free.plan() == free.fresh
    planned = free.plan("--set", "source.path=specs/data/same.jsonl")
    assert planned is not None
    moved = {step for step, each in planned.items() if each != free.fresh[step]}
    assert moved == {"release all"}  # the card names the file
