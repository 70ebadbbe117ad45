import json

import copick
import numpy as np
import pandas as pd
import pytest
import starfile

from evaluation.metric import kaggle_score
from postproc.candidates import concatenate, empty_candidates, make_candidates
from submissions.export.provenance import Provenance, ensemble_version
from submissions.export.star import write_star
from submissions.export.submission import Extent
from submissions.export.table import write_csv
from submissions.make import main
from tests.submissions.conftest import RUN, TEST
from tests.submissions.test_make import submission, truth
from tomograms.coordinates import to_angstrom
from tomograms.errors import run_command
from tomograms.particles import CZII

EXTENTS = {"A": Extent((10, 20, 30), 10.0), "B": Extent((10, 20, 31), 5.0)}
PROVENANCE = Provenance("ensemble", "1", "denoised", "tiny", "0123456789ab", True)


def picks():
    a = make_candidates("A", "ribosome", [[150, 100, 50], [12.5, 0, 99]], [0.75, 0.5], member="e", model="")
    b = make_candidates("B", "ribosome", [[0, 0, 0]], [1 / 3], member="e", model="")
    return concatenate([a, b])


def test_csv_keeps_scores_and_provenance(tmp_path):
    path = write_csv(tmp_path / "exports", [picks()], extents=EXTENTS, provenance=PROVENANCE)
    table = pd.read_csv(path)
    assert np.array_equal(table[["x", "y", "z", "score"]], picks()[["x", "y", "z", "score"]])
    assert table["voxel_size"].tolist() == [10.0, 10.0, 5.0]
    assert set(table["ensemble"]) == {"0123456789ab"} and set(table["tomogram_type"]) == {"denoised"}


def test_star_coordinates(tmp_path):
    ribosome, nothing = write_star(
        tmp_path, picks(), species=["ribosome", "apo-ferritin"], extents=EXTENTS, provenance=PROVENANCE
    )
    assert (ribosome.name, nothing.name) == ("ribosome.star", "apo-ferritin.star")
    blocks = starfile.read(ribosome)
    assert blocks["provenance"]["run"] == "tiny" and blocks["provenance"]["simulated"] == "True"
    table = blocks["particles"]
    assert table["rlnTomoName"].tolist() == ["A", "A", "B"]
    voxel = table[["rlnCoordinateX", "rlnCoordinateY", "rlnCoordinateZ"]].to_numpy()
    centred = table[[f"rlnCenteredCoordinate{axis}Angst" for axis in "XYZ"]].to_numpy()
    # The first lies in the middle of a volume of 30 x 20 x 10 voxels of 10 Å: index n / 2 on each axis.
    assert voxel[0].tolist() == [15, 10, 5] and centred[0].tolist() == [0, 0, 0]
    assert np.allclose(centred[2], [-31 / 2 * 5, -20 / 2 * 5, -10 / 2 * 5])
    size = table["rlnPixelSize"].to_numpy()
    back = np.concatenate([to_angstrom(v[::-1], s) for v, s in zip(voxel, size, strict=True)])
    assert np.allclose(back, picks()[["x", "y", "z"]], atol=1e-5)
    assert np.allclose(table["rlnAutopickFigureOfMerit"], picks()["score"], atol=1e-6)


def test_no_picks_at_all(tmp_path):
    none = empty_candidates()
    write_star(tmp_path, none, species=["ribosome"], extents={}, provenance=PROVENANCE)
    path = write_csv(tmp_path, [none], extents={}, provenance=PROVENANCE)
    assert list(pd.read_csv(path).columns[:6]) == ["experiment", "particle_type", "x", "y", "z", "score"]
    assert "_rlnTomoName" in (tmp_path / "ribosome.star").read_text()


def write_config(project):
    """Return a copick config over the test tomograms, with an empty overlay of its own."""
    config = project.root / "copick.json"
    content = {
        "config_type": "filesystem",
        "name": "tiny",
        "description": "test runs",
        "version": "1.31",
        "overlay_root": f"local://{project.root}/overlay",
        "static_root": f"local://{project.data}/test/static",
        "overlay_fs_args": {"auto_mkdir": True},
        "pickable_objects": [
            {"name": p.name, "is_particle": True, "label": p.label, "radius": p.radius, "color": [0, 0, 0, 255]}
            for p in CZII
        ],
    }
    (project.root / "overlay").mkdir()
    config.write_text(json.dumps(content))
    return config


def make(*arguments):
    with pytest.raises(SystemExit) as end:
        run_command(main, ["--run", "tiny", *map(str, arguments)])
    return end.value.code


def read_back(config, user, session):
    root = copick.from_file(str(config))
    rows = []
    for run in root.runs:
        for pick_set in run.get_picks(user_id=user, session_id=session):
            points, _ = pick_set.numpy()
            rows += [
                (run.name, pick_set.pickable_object_name, *point, score)
                for point, score in zip(points, pick_set.scores(), strict=True)
            ]
    return pd.DataFrame(rows, columns=["experiment", "particle_type", "x", "y", "z", "score"])


def files(config):
    return {path: path.read_bytes() for path in sorted((config.parent / "overlay").rglob("*.json"))}


def test_copick_round_trip(predicted, capsys):
    config = write_config(predicted)
    assert make("--data", config, "--to", "copick", "csv", "star", "--user", "us", "--session", "7") == 0
    table = read_back(config, "us", "7")
    expected = submission(predicted)
    place = ["experiment", "particle_type", "z", "y", "x"]
    a, b = (t.sort_values(place, ignore_index=True)[place] for t in (table, expected))
    assert a.to_numpy().tolist() == b.to_numpy().tolist()
    score = [kaggle_score(truth(predicted), t, CZII).total for t in (table, expected)]
    assert abs(score[0] - score[1]) < 1e-9 and score[0] > 0.8
    assert table["score"].between(0, 1).all() and table["score"].nunique() > 1
    one = json.loads(next((predicted.root / "overlay").rglob("us_7_ribosome.json")).read_text())
    assert one["voxel_spacing"] == 10.0 and one["run_name"] in TEST and one["trust_orientation"] is False

    kept = json.loads(next((predicted.root / "overlay").rglob("TS_9/Provenance/us_7.json")).read_text())
    version = ensemble_version(predicted.root / RUN / "ensemble.json")
    assert kept == {
        "user": "us",
        "session": "7",
        "tomogram_type": "denoised",
        "run": "tiny",
        "ensemble": version,
        "simulated": False,
        "voxel_size": 10.0,
    }

    exports = predicted.root / RUN / "exports"
    csv = pd.read_csv(exports / "picks.csv")
    assert len(csv) == len(expected) and set(csv["user"]) == {"us"}
    assert set(csv["ensemble"]) == {version}
    assert len(list(exports.glob("*.star"))) == 6
    assert "12 copick pick sets" in capsys.readouterr().out


def test_a_second_time_needs_overwrite_and_spares_others(predicted, capsys):
    config = write_config(predicted)
    assert make("--data", config, "--to", "copick") == 0
    run = copick.from_file(str(config)).get_run("TS_8")
    run.new_picks("ribosome", session_id="1", user_id="someone").from_numpy(np.ones((2, 3)))
    before = files(config)
    capsys.readouterr()
    assert make("--data", config, "--to", "copick") == 2
    assert "--overwrite" in capsys.readouterr().err and files(config) == before

    one = next(path for path in before if path.name == "ensemble_1_ribosome.json" and "TS_8" in str(path))
    changed = json.loads(one.read_text())
    changed["points"] = changed["points"][:1]
    one.write_text(json.dumps(changed))
    assert make("--data", config, "--to", "copick", "--overwrite") == 0
    after = files(config)
    assert {p: json.loads(c).get("points") for p, c in after.items()} == {
        p: json.loads(c).get("points") for p, c in before.items()
    }


def test_a_persons_picks_are_never_replaced(predicted, capsys):
    config = write_config(predicted)
    run = copick.from_file(str(config)).get_run("TS_8")
    run.new_picks("ribosome", session_id="1", user_id="someone").from_numpy(np.ones((2, 3)))
    before = files(config)
    assert make("--data", config, "--to", "copick", "--user", "someone", "--overwrite") == 2
    assert "no scores" in capsys.readouterr().err and files(config) == before


def test_the_ensembles_own_picks_are_no_truth(predicted, capsys):
    config = write_config(predicted)
    assert make("--data", config, "--to", "copick") == 0
    assert make("--data", config, "--to", "copick", "--overwrite") == 0
    assert make("--data", config) == 0
    assert "test truth" not in capsys.readouterr().out

    folder = predicted.root / "overlay" / "ExperimentRuns" / "TS_8" / "Picks"
    for source in (predicted.data / "test/overlay/ExperimentRuns/TS_8/Picks").iterdir():
        (folder / f"ann_1_{source.name}").write_bytes(source.read_bytes())
    assert make("--data", config, "--tomograms", "TS_8", "TS_9") == 0
    assert "test truth, 1 tomogram" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(["--user", "a_b"], "--user"), (["--session", ""], "--session"), (["--user", "a b"], "'a b'")],
)
def test_names_that_copick_cannot_hold(predicted, capsys, arguments, said):
    config = write_config(predicted)
    assert make("--data", config, "--to", "copick", *arguments) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1 and not files(config)


def test_copick_needs_a_copick_project(predicted, capsys):
    assert make("--to", "copick") == 2
    assert "copick config" in capsys.readouterr().err


def test_kaggles_picks_files_in_the_overlay(predicted, capsys):
    config = write_config(predicted)
    odd = predicted.root / "overlay" / "ExperimentRuns" / "TS_8" / "Picks" / "ribosome.json"
    odd.parent.mkdir(parents=True)
    odd.write_text('{"points": []}')
    assert make("--data", config, "--to", "copick") == 2
    assert "USER_SESSION_OBJECT.json" in capsys.readouterr().err
