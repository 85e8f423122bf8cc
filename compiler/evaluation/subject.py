"""The dataset under evaluation: its probes, its digest, and the spec that provides its readers.

Rows come from a finished build, from an installed dataset, or from any probe parquet. A file of
another project may lack columns; `lacks` says what cannot be computed without them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from compiler.building import finished
from compiler.dataset import rows, stated
from compiler.errors import SourceError, UsageError
from compiler.evaluation import loading
from compiler.evaluation.items import Items
from compiler.evaluation.loading import Form
from compiler.keys import Json, digest
from compiler.probes.scoring import POLICIES
from compiler.project import opening
from compiler.project.project import Project
from compiler.project.variant import Variant
from compiler.spec.root import SUFFIXES
from compiler.templating.prompts import Library

BANDS = ("all", "hard", "middle", "easy")
_OPTIONAL = {
    "target_response": "answers are compared with the atom alone",
    "incorrect_plausible_answer": "no contrastive win",
    "bb_answer_rollout_scores": "no blind reader, no bands and no gap closed",
    "full_information_scores": "no ceiling, so no gap closed",
    "tokenizer": "lens atoms are compared by words, not by tokens",
    "flags": "no sensitivity to leaking probes",
}
_DIGITS = 12
JUDGE_KEY = "probec.judge"
"""The entry of a parquet file's metadata that holds the identity of its judge."""


@dataclass(frozen=True)
class Subject:
    """A dataset and its probes. `lacks`: columns that the file lacks -> the consequence.

    `hard`, `easy`: the thresholds of the bands; `project`: provides the judge and the answerer, or
    None; `judge`: identity of the judge that gave the blind scores, empty if unknown.
    """

    path: Path
    files: tuple[Path, ...]
    name: str
    items: Items
    digest: str
    hard: float
    easy: float
    lacks: Mapping[str, str]
    scopes: tuple[str, ...]
    project: Project | None
    judge: str
    source_tokenizer: str

    @property
    def folder(self) -> str:
        """The name of the directory of its evaluations."""
        return f"{self.name}-{self.digest[:_DIGITS]}"


def open_subject(
    path: Path,
    spec: Variant | None,
    hard: float | None,
    easy: float | None,
    *,
    answers: bool = False,
) -> Subject:
    """Read a dataset.

    `path`: a spec, whose finished build is read, a dataset directory or a parquet file. `spec`: the
    spec that provides readers; for a spec as `path`, the same with its options. `hard`, `easy`:
    thresholds instead of those that the data states. `answers`: with those of the blind reader.

    Raises:
        SourceError: there is no such file, it is no table of probes, or its ids are not unique.
        StoreError: the spec is not built.
    """
    if path.suffix in SUFFIXES:
        if spec is None or spec.path != path:
            raise UsageError("--spec names another spec", hint="leave it out: DATASET is a spec")
        built = finished.build(spec)
        bands = built.project.spec.scoring.bands
        low = bands.hard if hard is None else hard
        high = bands.easy if easy is None else easy
        project = built.project
        form = Form(dict(project.spec.ordered_scopes()), low, high, answers)
        return _read(path, tuple(built.files), project.spec.name, form, project)
    provider = opening.project(spec) if spec is not None else None
    form = Form(stated.scopes(path), *stated.bands_of(path, hard, easy), answers)
    return _read(path, tuple(rows.files(path)), path.resolve().stem, form, provider)


def _read(
    path: Path, files: tuple[Path, ...], name: str, form: Form, project: Project | None
) -> Subject:
    have = {column for file in files for column in rows.names(file)}
    items = loading.load(files, form)
    counts = Counter(items.texts("key") if len(items) else ())
    twice = [key for key, n in counts.items() if n > 1]
    if twice:
        raise SourceError(
            f"{len(twice):,} probe ids occur more than once; the first is {twice[0]}",
            where=str(path),
            hint="every row needs its own probe_id, or its own doc_id and slot_idx in its round",
        )
    if not len(items):
        absent = "split_char_offset" not in have
        raise SourceError(
            "no row is a complete probe"
            + (": the file has no column split_char_offset" if absent else ""),
            where=str(path),
            hint="every probe needs a split inside of its document, a target, a question, an atom",
        )
    present = {*items.named("scope").occurring()}
    ordered = [name for name in form.rules if name in present]
    built = path.suffix in SUFFIXES and project is not None
    return Subject(
        path,
        files,
        name,
        items,
        loading.digest(items),
        form.hard,
        form.easy,
        {column: why for column, why in _OPTIONAL.items() if column not in have},
        (*ordered, *sorted(present - set(ordered))),
        project,
        judge_of(project) if project and built else _judge(path, files),
        project.spec.source.tokenizer if project and built else "",
    )


def judge_of(project: Project) -> str:
    """Return the identity of a spec's judge: scores of judges with one identity are comparable."""
    scoring = project.spec.scoring
    if not POLICIES[scoring.policy].judged:
        return _identity(scoring.policy, "", "", project.spec.compared())
    use = project.spec.models.judge
    prompt = digest("prompt", Library(project.root / "prompts").prompt_closure(use.prompt))
    return _identity(scoring.policy, use.model, prompt, project.spec.compared())


def _judge(path: Path, files: Sequence[Path]) -> str:
    """Return the identity of the judge that rows in files state; empty if they do not."""
    own = {rows.stated(file, JUDGE_KEY) for file in files}
    if len(own) == 1 and "" not in own:
        return own.pop()
    found = stated.judge(path)
    if found is None:
        return ""
    policy, model, prompt, compare = found
    judged = POLICIES[policy].judged if policy in POLICIES else True
    return _identity(policy, model if judged else "", prompt if judged else "", compare)


def _identity(policy: str, model: str, prompt: str, compare: str | dict[str, str]) -> str:
    return digest("judge", [policy, model, prompt, _leading(compare)])


def _leading(compare: str | dict[str, str]) -> Json:
    """Return the references of the leading scores: with both, those are against the atom."""
    by_scope = compare if isinstance(compare, dict) else {"": compare}
    found = {name: "atom_text" if each == "both" else each for name, each in by_scope.items()}
    return {**found} if len({*found.values()}) > 1 else next(iter(found.values()))
