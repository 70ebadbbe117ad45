import json
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import starfile
from hypothesis import example, given, settings
from hypothesis import strategies as st

from postproc.candidates import concatenate, make_candidates
from submissions.export.copick_picks import CopickTarget
from submissions.export.names import Naming, needs_quotes
from submissions.export.provenance import Provenance
from submissions.export.relion5 import write_relion5
from submissions.export.star import write_star
from submissions.export.submission import SUBMISSION_COLUMNS, Extent, clip, write_submission
from submissions.export.table import write_csv
from submissions.export.warp import write_warp
from tests.submissions.export.test_exports import make, read_back
from tests.submissions.prediction.test_inference import calls
from tomograms.errors import InputError
from tomograms.kaggle_tree import write_run
from tomograms.tables import read_table

VOLUME = Extent((10, 20, 30), 10.0)
PROVENANCE = Provenance("ensemble", "1", "denoised", "tiny", "0123456789ab", True)
PLAIN = [
    "TS_1",
    "007",
    "1e5",
    "True",
    "NA",
    "null",
    "None",
    "inf",
    "ü",
    "日本",
    "a,b",
    "a\\b",
    "a;b",
    "a[1]",
    "-",
    "a_b",
]
QUOTED = ["grid 3", "grid#3", "#x", "_x", "data_x", "DATA_", "loop_", "stop_", "[a]", "$a", ";a", " a ", " "]
REFUSED = [
    "it's",
    'a"b',
    "'a'",
    "a  b",
    "a\tb",
    "a\nb",
    "a\rb",
    "nan",
    "NaN",
    "<NA>",
    "",
    "a\u2028b",
    "a\x07b",
    "\ufeffa",
]
NAMES = st.text("ab#'\"_;$[]\\,. \t~ü", max_size=6) | st.text(max_size=6)
WRITERS = {"star": write_star, "relion5": write_relion5, "warp": write_warp}


def picks(names, species="ribosome"):
    return concatenate([make_candidates(n, species, [[10, 20, 30]], [0.5], member="e", model="") for n in names])


def write(folder, names, writer=write_star, species="ribosome", provenance=PROVENANCE, **options):
    extents = dict.fromkeys(names, VOLUME)
    table = picks(names, species)
    return writer(folder, table, species=[species], extents=extents, provenance=provenance, **options)


def read(path, column="rlnTomoName"):
    """Return the last block's names; a fresh path each time, for starfile remembers a file that it failed on."""
    blocks = starfile.read(path, always_dict=True, parse_as_string=[column, "rlnTomoImportParticleFile"])
    return list(blocks.values())[-1][column].tolist()


def strict(path):
    """Return the first words of the last table's rows as a strict reader does, for which blanks end a word."""
    lines = path.read_text(encoding="utf-8").split("\n")
    start = max(number for number, line in enumerate(lines) if line == "loop_")
    found = []
    for line in lines[start + 1 :]:
        if not line.strip():
            break
        if line[0] == "_":
            continue
        assert line[0] not in "#;$[]" and not line.lower().startswith(("data_", "loop_", "stop_", "save_", "global_"))
        one_blank = " ".join(part for part in line.replace("\t", " ").split(" ") if part)
        quote = line[0] if line[0] in "'\"" else ""
        assert not quote or f"{quote} " in one_blank[1:]
        words = one_blank[1:].split(f"{quote} ") if quote else one_blank.split(" ")
        found.append(words[0])
    return found


@pytest.mark.parametrize("name", [*PLAIN, *QUOTED])
def test_a_name_is_read_back(tmp_path, name):
    (path,) = write(tmp_path, [name])
    assert read(path) == [name]
    assert f'\n"{name}"\t' in path.read_text("utf-8") if name in QUOTED else f"\n{name}\t" in path.read_text("utf-8")


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("writer", ["star", "relion5"])
def test_a_name_that_cannot_be_read_back_is_refused(tmp_path, name, writer):
    with pytest.raises(InputError) as error:
        write(tmp_path / "out", ["TS_1", name], WRITERS[writer])
    message = str(error.value)
    assert message.startswith(f"--to {writer}: expected ") and message.endswith(f"but got {name!r}")
    assert "\n" not in message and not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", [*QUOTED, "it's", 'a"b'])
def test_warp_gets_no_quotes(tmp_path, name):
    with pytest.raises(InputError, match="--to warp: expected names of tomograms"):
        write(tmp_path, [name], write_warp)


@given(st.lists(NAMES, min_size=1, max_size=3, unique=True))
@example(["TS_1", "grid 3", "007"])
@settings(max_examples=150)
def test_any_name_is_read_back_or_refused(names):
    with tempfile.TemporaryDirectory() as folder:
        for key, writer in WRITERS.items():
            try:
                write(Path(folder) / key, names, writer)
            except InputError as error:
                assert "\n" not in str(error)
                continue
            file = {"relion5": "ribosome/particles.star"}.get(key, "ribosome.star")
            column, ending = ("rlnMicrographName", ".tomostar") if key == "warp" else ("rlnTomoName", "")
            expected = sorted(f"{name}{ending}" for name in names)
            assert sorted(read(Path(folder) / key / file, column)) == expected
            assert sorted(strict(Path(folder) / key / file)) == expected


def test_only_harmless_names_are_written_without_quotes():
    assert not any(map(needs_quotes, PLAIN)) and all(map(needs_quotes, QUOTED))


def test_a_prefix_and_a_suffix(tmp_path):
    (path,) = write(tmp_path, ["1"], naming=Naming("grid #", "_bin4"))
    assert read(path) == ["grid #1_bin4"]
    (path,) = write(tmp_path / "warp", ["1"], write_warp, naming=Naming("TS_", "_x"))
    assert read(path, "rlnMicrographName") == ["TS_1_x.tomostar"]
    with pytest.raises(InputError, match='but got "it\'s1"'):
        write(tmp_path, ["1"], naming=Naming("it's"))


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("species", ["a/b", "../x", "/x", "..", ".", "", "x" * 201, "a\nb"])
def test_a_species_that_names_no_file_is_refused(tmp_path, writer, species):
    with pytest.raises(InputError) as error:
        write(tmp_path / "out", ["TS_1"], WRITERS[writer], species)
    message = str(error.value)
    assert message.startswith(f"--to {writer}: expected names of species that can be a file's name (printable, ")
    assert message.endswith(f"but got {species!r}")
    assert not list(tmp_path.rglob("*"))


@pytest.mark.parametrize("species", ["it's", "80S #2", "ü", "a\\b", 'a"b', "nan", "data_"])
def test_an_odd_species_names_a_file(tmp_path, species):
    (path,) = write(tmp_path, ["TS_1"], species=species)
    assert path == tmp_path / f"{species}.star" and read(path) == ["TS_1"]


@pytest.mark.parametrize("run", ["my run", "run#3", "007", "ü", "a;b", "data_1"])
def test_odd_provenance_is_read_back(tmp_path, run):
    (path,) = write(tmp_path, ["TS_1"], provenance=Provenance("a b", "#1", "denoised", run, "0123", False))
    kept = starfile.read(path, parse_as_string=["run", "session", "ensemble"])["provenance"]
    assert (kept["user"], kept["session"], kept["run"], kept["ensemble"]) == ("a b", "#1", run, "0123")


@pytest.mark.parametrize("run", ["it's", 'a"b', "a\\b", "a\nb"])
def test_provenance_that_cannot_be_read_back_is_refused(tmp_path, run):
    with pytest.raises(InputError, match="--to star: expected a user, session"):
        write(tmp_path, ["TS_1"], provenance=Provenance("us", "1", "denoised", run, "0123", False))


@pytest.mark.parametrize("form", WRITERS)
def test_names_are_refused_before_anything_is_predicted(project, capsys, form):
    runs = project.data / "test/static/ExperimentRuns"
    (runs / "TS_8").rename(runs / "it's")
    assert make("--to", form) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"error: --to {form}: expected names of tomograms") and error.count("\n") == 1
    assert "it's" in error and calls() == (0, 0)


@given(st.lists(st.text(st.characters(exclude_categories=["C"]), min_size=1), min_size=1, max_size=3, unique=True))
@example(["it's", 'a"b', "a,b"])
@example(["NA", "007", "#x", " a ", "nan"])
@settings(max_examples=100)
def test_csv_files_hold_any_name(names):
    table = clip(picks(names, names[0]), dict.fromkeys(names, VOLUME))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "submission.csv"
        write_submission(path, [table])
        csv = write_csv(Path(folder), [table], extents=dict.fromkeys(names, VOLUME), provenance=PROVENANCE)
        ours = read_table(path, SUBMISSION_COLUMNS, numbers=SUBMISSION_COLUMNS[3:], exact_header=True)
        exported = read_table(csv, SUBMISSION_COLUMNS[1:], numbers=SUBMISSION_COLUMNS[3:])
        pandas = [
            pd.read_csv(file, keep_default_na=False, dtype={"experiment": str, "particle_type": str})
            for file in (path, csv)
        ]
    for back in (ours, exported, *pandas):
        assert back["experiment"].tolist() == table["experiment"].tolist()
        assert set(back["particle_type"]) == {names[0]}


def write_project(root, run, species):
    write_run(root, "test", run, volume=np.zeros(VOLUME.shape, np.float32), voxel_size=10.0, picks={})
    (root / "overlay").mkdir()
    particle = {"name": species, "is_particle": True, "label": 1, "radius": 60, "color": [0, 0, 0, 255]}
    content = {
        "config_type": "filesystem",
        "name": "odd",
        "description": "",
        "version": "1.31",
        "overlay_root": f"local://{root}/overlay",
        "static_root": f"local://{root}/test/static",
        "overlay_fs_args": {"auto_mkdir": True},
        "pickable_objects": [particle],
    }
    (root / "copick.json").write_text(json.dumps(content))
    return CopickTarget(root / "copick.json", "us", "1", overwrite=False)


@pytest.mark.parametrize(
    ("run", "species"),
    [
        ("grid#3", "it's"),
        ("it's", "ü"),
        ('a"b', "x#1"),
        ("a b", "[x]"),
        ("007", "007"),
        ("a{b,c}", "a,b"),
        ("NA", "nan"),
    ],
)
def test_copick_holds_odd_names(tmp_path, run, species):
    target = write_project(tmp_path, run, species)
    target.check([run], [species])
    target.write(picks([run], species), extents={run: VOLUME}, species=[species], provenance=PROVENANCE)
    back = read_back(tmp_path / "copick.json", "us", "1")
    assert back.to_numpy().tolist() == [[run, species, 10.0, 20.0, 30.0, 0.5]]
    with pytest.raises(InputError, match="exist; choose another"):
        CopickTarget(tmp_path / "copick.json", "us", "1", overwrite=False).check([run], [species])


@pytest.mark.parametrize("run", ["a[1]", "a*", "a?b", ".a"])
def test_copick_would_not_find_a_pattern(tmp_path, run):
    with pytest.raises(InputError, match="finds files by patterns") as error:
        write_project(tmp_path, run, "ribosome").check([run], ["ribosome"])
    assert repr(run) in str(error.value) and not list((tmp_path / "overlay").iterdir())
