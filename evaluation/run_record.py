"""``run.json``: what a cross-validation was asked for, and on which data."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from evaluation.folds import Fold
from tomograms.appearance import Appearance
from tomograms.dataset import DataRecord
from tomograms.errors import InputError
from tomograms.files import read_json, write_json
from tomograms.particles import Particle, from_records


@dataclass(frozen=True)
class RunRecord:
    """The content of ``run.json``.

    Attributes
    ----------
    data
        Where the data lie and how they are read.
    data_hash
        Of all of them (`evaluation.tomogram_types.TypedData.fingerprint`).
    particles
        Every species.
    folds
        Of the cross-validation.
    members
        Settings by member, as `models.settings.to_record` gives them.
    seeds
        Each fold and member is trained once with each.
    extra_tomogram_types
        In which training runs are seen beside the main one.
    simulated
        Whether figures must be labelled as simulated.
    voxel_size
        Å, of the first run; ``None`` in runs of older versions.
    preset, overrides
        What the settings were made of.
    versions, commit
        What the run was begun with.
    appearances
        What each tomogram looks like, by name; none in runs of older versions.
    mask_hash
        Of the masks (`tomograms.masks.Masks.fingerprint`), ``None`` without; they may lie elsewhere by now.
    """

    data: DataRecord
    data_hash: str
    particles: tuple[Particle, ...]
    folds: tuple[Fold, ...]
    members: Mapping[str, Mapping[str, Any]]
    seeds: tuple[int, ...]
    extra_tomogram_types: tuple[str, ...] = ()
    simulated: bool = False
    voxel_size: float | None = None
    preset: str = "demo"
    overrides: tuple[str, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)
    commit: str | None = None
    appearances: Mapping[str, Appearance] = field(default_factory=dict)
    mask_hash: str | None = None

    @property
    def tomograms(self) -> tuple[str, ...]:
        """The sorted names of every tomogram that some fold trains on or holds out."""
        return tuple(sorted({name for fold in self.folds for name in (*fold.held_out, *fold.train)}))

    @property
    def train(self) -> tuple[str, ...]:
        """The sorted names of the tomograms that train in some fold."""
        return tuple(sorted({name for fold in self.folds for name in fold.train}))

    @property
    def held_out(self) -> tuple[str, ...]:
        """The names of the tomograms that some fold holds out, fold by fold."""
        return tuple(name for fold in self.folds for name in fold.held_out)

    def write(self, path: Path) -> None:
        """Write ``run.json``, atomically."""
        write_json(path, asdict(self))


def read_record(path: Path) -> RunRecord:
    """Return the content of a ``run.json``, also of one that an older version has written.

    Raises
    ------
    InputError
        If it is missing or damaged.
    """
    content = read_json(path)
    try:
        known: dict[str, Any] = {f.name: content[f.name] for f in fields(RunRecord) if f.name in content}
        for name in ("seeds", "extra_tomogram_types", "overrides"):
            known[name] = tuple(known.get(name, ()))
        known["data"] = DataRecord(**content["data"])
        known["particles"] = from_records(content["particles"])
        known["folds"] = tuple(Fold.from_record(fold) for fold in content["folds"])
        known["appearances"] = {name: Appearance(**one) for name, one in known.get("appearances", {}).items()}
        return RunRecord(**known)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"{path}: expected what evaluation.cv writes, but got something else ({error!r})") from None


def refuse_change(old: RunRecord, new: RunRecord, source: Path) -> None:
    """Refuse to go on with a run under other conditions than it was begun with.

    Raises
    ------
    InputError
        Naming the first difference.
    """
    for name, was, now in _differences(old, new):
        shown = [text if len(text := str(value)) < 120 else text[:117] + "..." for value in (was, now)]
        raise InputError(
            f"{source}: the run was begun with {name} = {shown[0]}, but is now asked for with {shown[1]}; "
            "give the run another name (--run), or delete its folder"
        )


def _differences(old: RunRecord, new: RunRecord) -> Iterator[tuple[str, Any, Any]]:
    """Yield name, old and new value of all that makes two runs different ones; where their files lie is no part."""
    if old.mask_hash != new.mask_hash:
        yield "mask", _mask(old), _mask(new)
    was, now = (
        asdict(replace(record, data=replace(record.data, root=None, picks=None, mask=None))) for record in (old, new)
    )
    for name in ("data", "extra_tomogram_types", "data_hash", "particles", "folds", "seeds"):
        if was[name] != now[name]:
            yield name, was[name], now[name]
    if list(old.members) != list(new.members):
        yield "members", list(old.members), list(new.members)
    for member in set(old.members) & set(new.members):
        first, second = old.members[member], new.members[member]
        for name in sorted({*first, *second}):
            if first.get(name) != second.get(name):
                yield f"{member}.{name}", first.get(name), second.get(name)


def _mask(record: RunRecord) -> str:
    """Return in words what masks a run has."""
    return "none" if record.mask_hash is None else f"{record.data.mask} ({record.mask_hash[:12]})"


def changed_versions(old: RunRecord, new: RunRecord) -> list[str]:
    """Return in words which packages, and which commit, are not those that a run was begun with."""
    was, now = ({**record.versions, "commit": record.commit or "unknown"} for record in (old, new))
    return [f"{name} {was[name]} -> {now.get(name, 'none')}" for name in was if was[name] != now.get(name)]
