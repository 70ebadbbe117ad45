"""The panel's command on kept candidates that were made up here."""

import numpy as np
import pandas as pd
import pytest

from postproc.candidates import write_candidates
from tests.panel import reporting
from tests.panel.__main__ import KEPT, main
from tests.panel.conditions import PANEL, RUNS
from tests.panel.making import make_panel, small
from tomograms.errors import InputError
from tomograms.particles import CZII


def made_up(seed):
    """Three tomograms of every species, and two members that find most of it beside false candidates."""
    rng = np.random.default_rng(seed)
    truth, found = [], []
    for run in ("PH_1", "PH_2", "PH_3"):
        for particle in CZII:
            xyz = rng.uniform(0, 3000, (8, 3))
            truth += [(run, particle.name, *row) for row in xyz]
            for member in ("unet", "yolo"):
                hits = xyz[rng.uniform(size=8) < 0.9] + rng.normal(0, 5, 3)
                rows = [(*row, rng.beta(5, 2)) for row in hits]
                rows += [(*row, rng.beta(1, 5)) for row in rng.uniform(0, 3000, (10, 3))]
                found += [(run, particle.name, *row, member, f"{member}-1") for row in rows]
    columns = ["experiment", "particle_type", "x", "y", "z"]
    return pd.DataFrame(truth, columns=columns), pd.DataFrame(found, columns=[*columns, "score", "member", "model"])


def test_a_report_has_a_row_a_set_and_the_halves_means(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(reporting, "TRIALS", 4)
    for seed, name in enumerate(("sparse", "uneven")):
        truth, candidates = made_up(seed)
        truth.to_csv(tmp_path / f"{name}.csv", index=False)
        write_candidates(tmp_path / f"{name}.parquet", small(candidates))
    read, found = reporting.read_set(tmp_path, "sparse")
    assert len(read) == 3 * 6 * 8 and found["score"].dtype == np.float64
    main(["report", "--candidates", str(tmp_path), "--sets", "sparse", "uneven"])
    lines = capsys.readouterr().out.splitlines()
    rows = {
        name: line.split()[-8:] for name in ("sparse", "uneven", "choice", "report") for line in lines if name in line
    }
    assert rows["choice"] == rows["sparse"] and rows["report"] == rows["uneven"]
    unet, total, lead = (float(rows["sparse"][index]) for index in (0, 4, 5))
    assert lead == pytest.approx(total - unet, abs=1.1e-4) and 0.5 < total < 1


def test_what_is_missing_is_said(tmp_path):
    with pytest.raises(InputError, match="expected candidates of sparse"):
        main(["report", "--candidates", str(tmp_path), "--sets", "sparse"])
    with pytest.raises(InputError, match="--maps: expected a folder of densities, which the set 'noisy' shows"):
        make_panel(["sparse", "noisy"], tmp_path, maps=None, init="pretrained", scratch=tmp_path)


def test_the_halves_are_alike():
    for half in ("choice", "report"):
        sets = [one for one in PANEL.values() if one.half == half]
        assert len(sets) == 4 and sum(one.measured for one in sets) == 2


def test_the_kept_candidates_are_whole_and_small():
    assert sum(path.stat().st_size for path in KEPT.iterdir()) < 20e6
    for name in PANEL:
        truth, candidates = reporting.read_set(KEPT, name)
        assert set(truth["experiment"]) <= set(RUNS) == set(candidates["experiment"])
        assert set(candidates["member"]) == {"unet", "yolo"}
        assert set(candidates["particle_type"]) <= {particle.name for particle in CZII}
