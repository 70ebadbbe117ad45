"""From members' test candidates to the list that is submitted."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import pandas as pd

from ensemble.abundance import Abundance, load_abundance
from ensemble.add import added_path, load_added, refuse_outside
from ensemble.ensemble import FILE, Ensemble, load_ensemble
from evaluation.run_directory import RunDirectory
from evaluation.thresholds import apply_thresholds
from postproc.candidates import concatenate
from submissions.prediction.inference import Prediction
from tomograms.dataset import Dataset
from tomograms.errors import InputError
from tomograms.files import read_json
from tomograms.particles import Particle


def members_in_use(ensemble: Ensemble, run: RunDirectory) -> tuple[str, ...]:
    """Return the run's members that have a weight for some species, the strongest first.

    The strongest is the one with the best nested score in ``ensemble.json``, or, if that tells none, the largest share
    of weights, species counting by their weight in the metric. The members without weight need not be predicted.
    """
    active = {member for rule in ensemble.rules.values() for member in rule.active}
    scores = read_json(run.path / FILE).get("scores", {})
    share = dict.fromkeys(ensemble.members, 0.0)
    for particle in ensemble.particles:
        weights = ensemble.rules[particle.name].weights
        for member, weight in weights.items():
            share[member] += particle.weight * weight / sum(weights.values())
    merit = {member: (scores.get(member, {}).get("nested", 0.0), share[member]) for member in active}
    return tuple(sorted(active & set(run.members), key=lambda member: (*(-m for m in merit[member]), member)))


def restrict(ensemble: Ensemble, members: Collection[str]) -> Ensemble:
    """Return the ensemble for tomograms that only some of its members have predicted.

    The others' weights become 0, so that their silence is no vote against a particle. A species that only the others
    voted on is left to the rest, with equal weights.
    """
    if set(members) >= set(ensemble.members):
        return ensemble
    rules = {}
    for name, rule in ensemble.rules.items():
        weights = {member: weight if member in members else 0.0 for member, weight in rule.weights.items()}
        if not any(weights.values()):
            weights = {member: float(member in members) for member in rule.weights}
        rules[name] = replace(rule, weights=weights)
    return replace(ensemble, rules=rules)


@dataclass(frozen=True)
class Fusion:
    """The last step for one tomogram after the other.

    Attributes
    ----------
    ensemble
        Fitted out-of-fold.
    run
        Whose models predicted.
    added
        Candidates of members that were trained elsewhere and came as a file (see `ensemble.add`).
    abundance
        What a species' frequency in a tomogram makes of its probabilities; ``None`` where the ensemble was built on
        folds of tomograms that are alike.
    thresholds
        Probabilities by species, where they and not each tomogram's own cut decide what is reported.
    """

    ensemble: Ensemble
    run: RunDirectory
    added: pd.DataFrame
    abundance: Abundance | None = None
    thresholds: Mapping[str, float] = field(default_factory=dict)

    def fused(self, prediction: Prediction) -> pd.DataFrame:
        """Return all fused candidates of a tomogram, before any threshold; none if no member worked."""
        added = self.added[self.added["experiment"] == prediction.experiment]
        used = {*prediction.members, *added["member"]} & set(self.ensemble.members)
        candidates = concatenate([prediction.candidates, added])
        if not used:
            return candidates[:0]
        fused = restrict(self.ensemble, used).apply(candidates)
        return fused if self.abundance is None else self.abundance(fused)

    def keep(self, fused: pd.DataFrame) -> pd.DataFrame:
        """Return those of whole tomograms' fused candidates that are reported, in the total order."""
        if not self.thresholds:
            return self.ensemble.keep(fused)
        chosen = fused["particle_type"].isin(list(self.thresholds))
        return concatenate([self.ensemble.keep(fused[~chosen]), apply_thresholds(fused[chosen], self.thresholds)])


def parse_thresholds(arguments: Iterable[str], particles: Iterable[Particle]) -> dict[str, float]:
    """Return the probabilities of ``SPECIES=PROBABILITY`` arguments.

    Raises
    ------
    InputError
        If one has another form, names an unknown species or one twice, or is no probability.
    """
    names = [particle.name for particle in particles]
    thresholds: dict[str, float] = {}
    for argument in arguments:
        name, _, text = argument.rpartition("=")
        if name not in names or name in thresholds:
            raise InputError(
                f"--threshold: expected SPECIES=PROBABILITY, each species once, of {', '.join(names)}, "
                f"but got {argument!r}"
            )
        try:
            thresholds[name] = float(text)
        except ValueError:
            thresholds[name] = -1.0
        if not 0 <= thresholds[name] <= 1:
            raise InputError(f"--threshold: expected a probability from 0 to 1, but got {argument!r}")
    return thresholds


def fusion_on(dataset: Dataset, run: RunDirectory, names: Sequence[str], thresholds: Mapping[str, float]) -> Fusion:
    """Return `load_fusion` for tomograms of a data set; added members' candidates outside masks are dropped.

    Raises
    ------
    InputError
        As for `load_fusion`, or if added candidates lie far outside their volume.
    """
    fusion = load_fusion(run, names, thresholds)
    known = dataset.known_extents(sorted(set(fusion.added["experiment"])))
    for member, table in fusion.added.groupby("member"):
        refuse_outside(added_path(run, str(member)), table, run.particles, known)
    return replace(fusion, added=dataset.within_masks(fusion.added))


def load_fusion(run: RunDirectory, names: Iterable[str], thresholds: Mapping[str, float] | None = None) -> Fusion:
    """Return the last step of a run whose ensemble has been built, with its added members' candidates.

    Parameters
    ----------
    run
        The run.
    names
        The tomograms that will be predicted.
    thresholds
        See `Fusion`; none by default.

    Raises
    ------
    InputError
        If the ensemble or an added member's file is missing or damaged.
    """
    ensemble = load_ensemble(run.path / FILE)
    others = [member for member in ensemble.members if member not in run.members]
    experiments = list(names)
    added = concatenate([load_added(run, member, experiments) for member in others])
    return Fusion(ensemble, run, added, load_abundance(run.path / FILE), thresholds or {})
