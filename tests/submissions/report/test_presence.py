import pandas as pd

from submissions.report.presence import Judged
from tomograms.particles import CZII

PAIR = (CZII[0], CZII[3])  # apo-ferritin, ribosome
FERRITIN, RIBOSOME = (particle.name for particle in PAIR)


def table(*rows):
    columns = ["experiment", "particle_type", "x", "y", "z", "score"]
    return pd.DataFrame(rows, columns=columns).astype({"score": "float64"})


def test_counts_by_what_is_there():
    truth = table(
        ("both", FERRITIN, 0, 0, 0, 0), ("both", RIBOSOME, 900, 0, 0, 0), ("both", RIBOSOME, 0, 900, 0, 0),
        ("one", FERRITIN, 0, 0, 0, 0),
    )[["experiment", "particle_type", "x", "y", "z"]]  # fmt: skip
    fused = table(
        ("both", FERRITIN, 10, 0, 0, 0.9),
        ("both", RIBOSOME, 900, 50, 0, 0.8),
        ("both", RIBOSOME, 900, 20, 0, 0.7),  # the same one again
        ("both", RIBOSOME, 0, 900, 0, 0.4),  # not sure enough
        ("none", FERRITIN, 5, 5, 5, 0.6),
        ("one", FERRITIN, 100, 0, 0, 0.5),  # too far off
        ("one", RIBOSOME, 0, 0, 0, 0.95),
    )
    judged = Judged.of(truth, fused, PAIR, ["both", "none", "one"])
    rows = {(row["particle_type"], row["presence"]): row for row in judged.rows()}
    assert set(rows) == {
        (FERRITIN, "with others"), (FERRITIN, "alone"), (FERRITIN, "absent"),
        (RIBOSOME, "with others"), (RIBOSOME, "absent"),
    }  # fmt: skip

    def counts(name, presence):
        return tuple(rows[name, presence][key] for key in ("tomograms", "true", "found", "false", "expected"))

    assert counts(FERRITIN, "with others") == (1, 1, 1, 0, 0.9)
    assert counts(FERRITIN, "alone") == (1, 1, 0, 1, 0.5)
    assert counts(FERRITIN, "absent") == (1, 0, 0, 1, 0.6)
    assert counts(RIBOSOME, "with others") == (1, 2, 1, 1, 1.5)
    assert counts(RIBOSOME, "absent") == (2, 0, 0, 1, 0.9)  # absent where there is nothing, too


def test_parts_are_joined_and_nothing_may_be_found():
    truth = table(("a", FERRITIN, 0, 0, 0, 0)).drop(columns="score")
    part = Judged.of(truth, table(), PAIR, ["a"])
    whole = Judged.join([part, Judged.of(truth[:0], table(), PAIR, ["b"])])
    assert sum(row["tomograms"] for row in whole.rows()) == 2 * len(PAIR)
    assert sum(row["found"] + row["false"] for row in whole.rows()) == 0
