"""Test-time inference: a member's fold models see a tomogram, are averaged, and count as one member."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ensemble.clustering import MEAN_MODEL, average_models
from models.member import Joint, Predictor
from models.outputs import Maps, SliceBoxes
from models.registry import get_member
from postproc.candidates import concatenate
from postproc.convert import to_candidates, within_mask
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
    """Running mean of maps: one sum in float32, whatever the number of models.

    Attributes
    ----------
    count
        How many were added.
    """

    def __init__(self) -> None:
        self._sum: NDArray[np.float32] | None = None
        self._like: Maps | None = None
        self.count = 0

    def add(self, maps: Maps) -> None:
        """Add one model's maps.

        Raises
        ------
        InputError
            If they lie on another grid than those before.
        """
        if self._sum is None or self._like is None:
            self._sum = maps.logits.astype(np.float32)
            self._like = replace(maps, logits=maps.logits[:0])
        else:
            one, other = ((m.stride, m.origin) for m in (self._like, maps))
            if one != other or self._sum.shape != maps.logits.shape:
                raise InputError(
                    f"expected all fold models' maps of shape {self._sum.shape}, stride and origin {one}, "
                    f"but got {maps.logits.shape}, {other}; were they trained with different settings?"
                )
            self._sum += maps.logits
        self.count += 1

    def mean(self) -> Maps:
        """Return the mean of the logits and forget them."""
        assert self._sum is not None and self._like is not None
        total, self._sum = self._sum, None
        total /= self.count
        return replace(self._like, logits=total.astype(np.float16))


def predict_member(
    tomogram: Tomogram,
    models: Mapping[str, Predictor],
    *,
    particles: Sequence[Particle],
    member: str,
    views: int | None = None,
    device: str = "cpu",
    advance: Callable[[str], None] = lambda note: None,
) -> pd.DataFrame:
    """Return one member's candidates in a tomogram: maps averaged as logits, slice boxes as clustered candidates.

    What lies outside the tomogram's mask is dropped.

    Parameters
    ----------
    tomogram
        Normalised.
    models
        The member's trained networks by name; at least one. One output is held at a time.
    particles
        Every species.
    member
        The member's name, written into the rows; their model is `MEAN_MODEL`.
    views
        Test-time views of each model; by default as many as it has.
    device
        Where candidates are looked for in maps.
    advance
        Told of each model, or of each part of the tomogram, that is done.
    """
    find = partial(
        to_candidates,
        particles=particles,
        voxel_size=tomogram.voxel_size,
        experiment=tomogram.name,
        member=member,
        device=device,
    )
    tables = []
    for output, name in zip(_outputs(tomogram, models, views, advance), models, strict=False):
        if isinstance(output, Maps):
            return within_mask(find(output, model=MEAN_MODEL), tomogram)
        tables.append(find(output, model=name))
    return within_mask(average_models(concatenate(tables), particles, len(models)), tomogram)


def _outputs(
    tomogram: Tomogram, models: Mapping[str, Predictor], views: int | None, advance: Callable[[str], None]
) -> Iterator[Maps | SliceBoxes]:
    """Yield what models predict: maps as their mean, slice boxes of each."""
    first = next(iter(models.values()))
    if isinstance(first, Joint):
        yield from first.together(list(models.values()), tomogram, views=views, advance=advance)
        return
    maps = MeanMaps()
    for name, model in models.items():
        output = model.predict(tomogram, views=views)
        if isinstance(output, Maps):
            maps.add(output)
        else:
            yield output
        del output
        advance(name)
    if maps.count:
        yield maps.mean()
