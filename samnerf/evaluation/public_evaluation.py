"""A whole public data set: every scene, its trained run, and one report with the published figures beside ours."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from samnerf.errors import SamNerfError
from samnerf.evaluation.public_measures import SceneResult
from samnerf.evaluation.public_protocols import PublicProtocol, PublicScene
from samnerf.evaluation.published import SECOND_HAND, best_published, published_systems
from samnerf.evaluation.report import Report, Table, Value, words
from samnerf.evaluation.scene_prediction import Method, Predictor, Progress
from samnerf.evaluation.trained_runs import run_of, trained_runs

MakePredictor = Callable[[Path, Progress], Predictor]
"""Gives the predictor of a run by its config.yml."""
MOST_FAILURES = 12


def evaluate_public(
    protocol: PublicProtocol,
    data: Path,
    runs: Path,
    make_predictor: MakePredictor,
    scenes: Sequence[str] = (),
    seed: int = 0,
    progress: Progress = lambda *_: None,
) -> dict[str, SceneResult]:
    """Measure the scenes of a data set, one after the other; gives results by name.

    Args:
        protocol: see `samnerf.evaluation.public_protocols`.
        data: folder of the data set.
        runs: folder below which its scenes were trained.
        make_predictor: opens a run.
        scenes: names of those to measure; by default all.
        seed: of what is drawn at random.
        progress: called with what is done, for how many scenes of how many; predictors say more in between.

    Raises:
        SamNerfError: if the data set is not laid out as it should be, a scene is unknown, or one was not trained.
    """
    chosen = _chosen(protocol.read(data), scenes)
    found = trained_runs(runs)
    configs = {one.name: run_of(one.run_names, found) for one in chosen}
    untrained = [one for one in chosen if configs[one.name] is None]
    if untrained:
        trained = [one.name for one in chosen if configs[one.name] is not None]
        cure = f"; --scenes {' '.join(trained)} measures those that are there" if trained else ""
        raise SamNerfError(
            f"no trained run of {', '.join(one.name for one in untrained)} below {runs}: expected "
            f".../{untrained[0].run_names[0]}/samnerf-*/TIMESTAMP/config.yml{cure}"
        )
    results = {}
    for done, one in enumerate(chosen):
        progress(f"{protocol.title}: {one.name}", done, len(chosen))
        config = configs[one.name]
        assert config is not None

        def within(what: str, step: int, of: int, scene: str = one.name) -> None:
            progress(f"{scene}: {what}", step, of)

        results[one.name] = protocol.measure(one, make_predictor(config, within), seed)
    progress(protocol.title, len(chosen), len(chosen))
    return results


def public_report(
    protocol: PublicProtocol, results: Mapping[str, SceneResult], method: Method, about: Mapping[str, str]
) -> Report:
    """The report of a data set.

    Args:
        protocol: by which it was measured.
        results: by name of the scene.
        method: how objects got from one view to another.
        about: what was measured, in words.
    """
    scores = protocol.means({name: one.score for name, one in results.items()})
    missing = [name for name in protocol.scenes if name not in results]
    complete = not missing
    goals = [
        replace(goal, goal=best_published(protocol.published[goal.key]))
        if complete and goal.key in protocol.published
        else goal
        for goal in protocol.goals
    ]
    details = [row for one in results.values() for row in one.details]
    tables = [Table("scenes", "Each scene", protocol.columns, [one.row for one in results.values()])]
    if protocol.published:
        tables.append(_published_table(protocol, scores, method, complete))
    if protocol.detail_columns:
        tables.append(Table("details", "Everything scored", protocol.detail_columns, details, folded=True))
    return Report(
        kind=protocol.key,
        title=protocol.title,
        subtitle=f"{len(results)} scenes, {_METHODS[method]}",
        about=about,
        goals=goals,
        scores=scores,
        tables=tables,
        pictures=[picture for one in results.values() for picture in one.pictures],
        notes=_notes(protocol, results, missing),
    )


_METHODS = {"prompts": "prompts carried to every view", "lock": "objects locked in 3D and rendered"}


def _chosen(read: Sequence[PublicScene], names: Sequence[str]) -> list[PublicScene]:
    known = {one.name: one for one in read}
    for name in names:
        if name not in known:
            raise SamNerfError(f"the data set has no scene {name!r}; it has {', '.join(known)}")
    return [known[name] for name in names] if names else list(read)


def _published_table(protocol: PublicProtocol, scores: Mapping[str, float], method: Method, complete: bool) -> Table:
    heads = {goal.key: goal.words for goal in protocol.goals}
    ours: dict[str, Value] = {"system": f"SAM-NeRF, {method} (measured here)", "emphasis": True}
    ours |= {measure: f"{100 * scores[key]:.1f}" for key, measure in protocol.published.items()}
    rows = [ours]
    for one in published_systems():
        if any(measure in one.figures for measure in protocol.published.values()):
            figures = {measure: one.said(measure) for measure in protocol.published.values()}
            rows.append({"system": one.name, **figures, "query": one.query, "train": one.train, "source": SECOND_HAND})
    columns = [words("system", "system")]
    columns += [words(measure, f"{heads[key]}, %") for key, measure in protocol.published.items()]
    columns += [words("query", "query"), words("train", "training"), words("source", "source")]
    note = "Figures of others are second-hand transcriptions; nobody ran them here."
    if not complete:
        note += " Ours cover a part of the data set and cannot be compared with them."
    return Table("published", "Beside what others published", tuple(columns), rows, note=note)


def _notes(protocol: PublicProtocol, results: Mapping[str, SceneResult], missing: Sequence[str]) -> list[str]:
    notes = [protocol.rule]
    if missing:
        notes.append(f"Not measured: {', '.join(missing)}; the means are of {', '.join(results)} alone.")
    if others := [name for name in results if name not in protocol.scenes]:
        notes.append(f"Not part of the published data set: {', '.join(others)}.")
    failures = [failure for one in results.values() for failure in one.failures]
    notes += [f"Nothing found, scored 0. {failure}" for failure in failures[:MOST_FAILURES]]
    if len(failures) > MOST_FAILURES:
        notes.append(f"Nothing found, scored 0, in {len(failures) - MOST_FAILURES} more cases.")
    return notes
