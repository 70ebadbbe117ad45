"""Test-time inference: a member's fold models see a tomogram, are averaged, and count as one member.

Class maps are averaged as logits, slice boxes as clustered candidates. The single models' own candidates are kept
beside the averaged ones: `submissions.prediction.score_matching` needs their scores.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ensemble.clustering import MEAN_MODEL, average_models
from evaluation.run_directory import RunDirectory
from models.member import Predictor
from models.outputs import ClassMaps
from models.registry import get_member
from postproc.candidates import concatenate
from postproc.convert import to_candidates
from submissions.prediction.score_matching import match_scores
from tomograms.errors import InputError
from tomograms.particles import Particle
from tomograms.tomogram import Tomogram


def load_models(member: str, folders: Mapping[str, Path], *, device: str) -> dict[str, Predictor]:
    """Return a member's trained networks by name; see `submissions.prediction.final.model_folders`.

    Raises
    ------
    InputError
        If a model is missing or damaged.
    """
    kind = get_member(member)
    return {name: kind.load(folder, device) for name, folder in folders.items()}


class MeanMaps:
    """Running mean of class maps: one sum in float32, whatever the number of models."""

    def __init__(self) -> None:
        self._sum: NDArray[np.float32] | None = None
        self._like: ClassMaps | None = None
        self._count = 0

    def add(self, maps: ClassMaps) -> None:
        """Add one model's maps.

        Raises
        ------
        InputError
            If they lie on another grid than those before.
        """
        if self._sum is None or self._like is None:
            self._sum = maps.logits.astype(np.float32)
            self._like = ClassMaps(maps.logits[:0], maps.stride, maps.origin)
        else:
            one, other = ((m.stride, m.origin) for m in (self._like, maps))
            if one != other or self._sum.shape != maps.logits.shape:
                raise InputError(
                    f"expected all fold models' maps of shape {self._sum.shape}, stride and origin {one}, "
                    f"but got {maps.logits.shape}, {other}; were they trained with different settings?"
                )
            self._sum += maps.logits
        self._count += 1

    def mean(self) -> ClassMaps:
        """Return the mean of the logits and forget them."""
        assert self._sum is not None and self._like is not None
        total, self._sum = self._sum, None
        total /= self._count
        return ClassMaps(total.astype(np.float16), self._like.stride, self._like.origin)


def predict_member(
    tomogram: Tomogram,
    models: Mapping[str, Predictor],
    *,
    particles: Sequence[Particle],
    member: str,
    views: int | None = None,
    advance: Callable[[str], None] = lambda note: None,
) -> pd.DataFrame:
    """Return one member's candidates in a tomogram: those of every single model, and the averaged ones.

    Parameters
    ----------
    tomogram
        Normalised.
    models
        The member's trained networks by name; at least one. The candidates of one are found while the next predicts, so
        that two outputs are held at most.
    particles
        Every species.
    member
        The member's name, written into the rows. ``model`` is the model's name, and `MEAN_MODEL` for
        the averaged.
    views
        Test-time views of each model; by default as many as it has.
    advance
        Told the name of each model when it is done.
    """
    maps: MeanMaps | None = None
    pending: list[Future[pd.DataFrame]] = []
    with ThreadPoolExecutor(1) as pool:  # a GPU does not wait for the CPU to find the last model's candidates
        for name, model in models.items():
            output = model.predict(tomogram, views=views)
            if pending:
                pending[-1].result()  # so that no more than two outputs are held
            pending.append(
                pool.submit(
                    to_candidates,
                    output,
                    particles,
                    tomogram.voxel_size,
                    experiment=tomogram.name,
                    member=member,
                    model=name,
                )
            )
            if isinstance(output, ClassMaps) and len(models) > 1:
                maps = maps or MeanMaps()
                maps.add(output)
            del output
            advance(name)
        singles = [found.result() for found in pending]
    together = concatenate(singles)
    if len(models) == 1:
        averaged = together.assign(model=MEAN_MODEL)
    elif maps is None:
        averaged = average_models(together, particles, len(models))
    else:
        averaged = to_candidates(
            maps.mean(), particles, tomogram.voxel_size, experiment=tomogram.name, member=member, model=MEAN_MODEL
        )
    return concatenate([together, averaged])


def one_per_member(candidates: pd.DataFrame, run: RunDirectory, *, matched: bool = True) -> pd.DataFrame:
    """Return the averaged candidates of `predict_member`, all that the ensemble sees.

    Parameters
    ----------
    candidates
        Of any members and tomograms; ``model`` is ``HELD_OUT/MEMBER-SEED`` or `MEAN_MODEL`.
    run
        Whose models they are.
    matched
        Give them scores of single models by rank (see `score_matching`); else their own scores. Where each fold was
        trained with several seeds, "single" is the fold's average over seeds, as it is out-of-fold.
    """
    is_averaged = candidates["model"] == MEAN_MODEL
    averaged = concatenate([candidates[is_averaged]])
    if not matched:
        return averaged
    singles = candidates[~is_averaged]
    if len(run.seeds) > 1:
        fold = singles["model"].str.rpartition("/")[0]
        folds = [average_models(rows, run.particles, len(run.seeds)) for _, rows in singles.groupby(fold)]
        singles = concatenate(folds)
    return concatenate(
        [
            match_scores(rows, singles[singles["member"] == member], len(run.folds))
            for member, rows in averaged.groupby("member")
        ]
    )
