"""Pick sets of a copick run: from its folders, or through copick where a project lies elsewhere."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tomograms.copick_files import Place, json_files, places
from tomograms.errors import InputError
from tomograms.picks import PickSet, make_pick_set, parse_pick_set
from tomograms.stores import reaching

PORTAL = "data-portal"
"""The user that copick gives to all picks of the CryoET Data Portal."""
BY_PEOPLE = ("manual", "hybrid", "simulated")
"""What the portal calls the method of annotations that people have made or looked through, or that are known."""


def pick_sets(run: Any, kind: str, where: str) -> list[PickSet]:
    """Return everybody's pick sets of a run; of two of one species, user and session the overlay's.

    Parameters
    ----------
    run
        Copick's.
    kind
        The config's ``config_type``.
    where
        The run, for messages.

    Raises
    ------
    InputError
        If picks are damaged or cannot be reached.
    """
    with reaching(f"{where}: picks"):
        if kind == "filesystem":
            overlay, *others = map(_listed, places(run))
            return _overlaid(overlay, *others)
        try:
            found = run.picks
        except IndexError:
            raise InputError(
                f"{where}: expected picks files named USER_SESSION_OBJECT.json, all that copick can list; move others "
                "out of the project's overlay"
            ) from None
        overlay = [_asked(picks) for picks in found if not picks.read_only]
        return _overlaid(overlay, [_asked(picks) for picks in found if picks.read_only])


def _listed(place: Place) -> list[PickSet]:
    """Return the pick sets of a folder; copick itself fails on a file that is named {object}.json, as Kaggle's are."""
    files, folder = place
    paths = json_files((files, f"{folder}/Picks"))
    programs = _programs(place) if paths else set()
    return [parse_pick_set(files.cat_file(path), path, programs=programs) for path in paths]


def _programs(place: Place) -> set[str]:
    """Return ``USER_SESSION`` of those of whom a folder tells a provenance."""
    files, folder = place
    return {Path(path).stem for path in json_files((files, f"{folder}/Provenance"))}


def _asked(picks: Any) -> PickSet:
    """Return what copick has of some picks, which it reads when it is asked for points."""
    content = {"points": [point.model_dump() for point in picks.points], "unit": picks.meta.unit}
    content["voxel_spacing"] = picks.meta.voxel_spacing
    user, session, species = picks.user_id, picks.session_id, picks.pickable_object_name
    if picks.read_only:
        program = user == PORTAL and not _by_people(picks)
    else:
        program = f"{user}_{session}" in _programs((picks.run.fs_overlay, picks.run.overlay_path))
    return make_pick_set(content, picks.path, (user, session, species), program=program)


def _by_people(picks: Any) -> bool:
    """Return whether the portal says that people have made some picks; without a word of it, a program has."""
    portal = getattr(picks.meta, "portal_metadata", None)
    annotation = portal and portal.portal_annotation
    return bool(annotation and (annotation.ground_truth_status or annotation.method_type in BY_PEOPLE))


def _overlaid(overlay: list[PickSet], static: Iterable[PickSet] = ()) -> list[PickSet]:
    """Return the overlay's pick sets, and those of the others that it does not replace."""
    names = {(s.user, s.session, s.particle_type) for s in overlay}
    return [*overlay, *(s for s in static if (s.user, s.session, s.particle_type) not in names)]
