"""Two runs on the same tomograms, compared in pairs: what `evaluation.runs` shows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from evaluation.counts import Counts, pool, score
from evaluation.intervals import Interval, interval_of, resampled_scores, resamplings
from evaluation.run_directory import RunDirectory
from tomograms.errors import InputError
from tomograms.files import read_json
from tomograms.particles import Particle

ENSEMBLE = "ensemble"
ByExperiment = Mapping[str, Mapping[str, Counts]]


@dataclass(frozen=True)
class Entry:
    """One member (or the ensemble) of a run, all its seeds.

    Attributes
    ----------
    particles
        Every species.
    seeds
        For each seed: experiment -> species -> nested counts.
    gaps
        For each seed: optimum minus nested score; empty where it was not kept.
    """

    particles: tuple[Particle, ...]
    seeds: tuple[ByExperiment, ...]
    gaps: tuple[float, ...] = ()

    @property
    def experiments(self) -> list[str]:
        """The held-out experiments, sorted."""
        return sorted(self.seeds[0])

    @property
    def totals(self) -> list[float]:
        """The nested score of each seed."""
        return [score(pool(counts), self.particles).total for counts in self.seeds]

    @property
    def total(self) -> float:
        """The nested score, mean over seeds."""
        return float(np.mean(self.totals))

    def of_particle(self, name: str) -> float:
        """Return a species' nested F, mean over seeds."""
        return float(np.mean([pool(counts)[name].f_beta for counts in self.seeds]))

    def of_experiment(self, name: str) -> float:
        """Return the score on one held-out experiment, mean over seeds."""
        return float(np.mean([score(counts[name], self.particles).total for counts in self.seeds]))

    def resampled(self, multiplicity: np.ndarray) -> np.ndarray:
        """Return the score of each draw ``(draw, experiment)`` of experiments, mean over seeds: ``(draw,)``."""
        scores = [resampled_scores(c, self.particles, self.experiments, multiplicity) for c in self.seeds]
        return np.mean(scores, axis=0)


def entries(run: RunDirectory, *, fusions: bool = False) -> dict[str, Entry]:
    """Return what a run has scored so far: its members, and the ensemble where it has been built.

    Parameters
    ----------
    run
        The run.
    fusions
        Whether the fusions that the ensemble was compared to, and added members, come too.

    Raises
    ------
    InputError
        If ``cv.json`` or ``ensemble.json`` is damaged.
    """
    seeds: dict[str, list[ByExperiment]] = {}
    gaps: dict[str, list[float]] = {}
    for file, key in (("cv.json", "members"), ("ensemble.json", "scores")):
        path = run.path / file
        if not path.exists():
            continue
        try:
            for name, record in read_json(path)[key].items():
                member = name.partition(", seed")[0]
                if key == "members" or name == ENSEMBLE or (fusions and name not in run.members):
                    seeds.setdefault(member, []).append(_counts(record))
                    gaps.setdefault(member, []).extend([float(record["gap"])] if "gap" in record else [])
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise InputError(f"{path}: expected the results of a run, but got {error!r}") from None
    return {name: Entry(run.particles, tuple(own), tuple(gaps[name])) for name, own in seeds.items()}


def difference(first: Entry, second: Entry) -> Interval:
    """Return the interval of the second's score minus the first's, both on the same resampled experiments."""
    multiplicity, probability = resamplings(len(first.experiments))
    drawn = second.resampled(multiplicity) - first.resampled(multiplicity)
    return interval_of(second.total - first.total, drawn, probability)


def shared(first: RunDirectory, second: RunDirectory) -> dict[str, tuple[Entry, Entry]]:
    """Return what both runs have scored, by name.

    Raises
    ------
    InputError
        If they hold out different runs, have different species, or share no finished member.
    """
    require_alike(first, second)
    left, right = entries(first), entries(second)
    both = [name for name in left if name in right]
    if not both:
        raise InputError(
            f"{second.path}: expected a scored member in common with {first.name} ({_listed(list(left))}), "
            f"but got {_listed(list(right))}"
        )
    return {name: (left[name], right[name]) for name in both}


def require_alike(first: RunDirectory, second: RunDirectory) -> None:
    """Refuse two runs whose scores cannot be paired.

    Raises
    ------
    InputError
        If they hold out different runs or have different species.
    """
    one, other = (sorted(run.record.held_out) for run in (first, second))
    if one != other:
        raise InputError(
            f"{second.path}: expected the held-out runs of {first.name} ({_listed(one)}), but got {_listed(other)}"
        )
    if first.particles != second.particles:
        raise InputError(f"{second.path}: expected the species, radii and weights of {first.name}, but got others")


def _counts(record: Mapping[str, Any]) -> ByExperiment:
    """Return the nested counts of a record of `evaluation.records`."""
    return {
        experiment: {name: Counts(*map(int, counts)) for name, counts in by_type.items()}
        for fold in record["folds"]
        for experiment, by_type in fold["counts"].items()
    }


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) or "none"
