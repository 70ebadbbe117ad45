from compute.packages import bad_pairs, unmet

WORLD = {
    "a": ("1.5", ["b>=2", "c; extra == 'more'"]),
    "b": ("1.9", ["a", "d; python_version < '3'"]),
    "e": ("3.0rc1", []),
}


def version(name):
    return WORLD[name][0] if name in WORLD else None


def requires(name):
    return WORLD[name][1]


def test_what_is_missing_or_too_old_is_told_with_who_needs_it():
    assert unmet(["a>=1,<2", "f"], version=version, requires=requires) == [
        "a needs b >=2, but 1.9 is installed",
        "cryoet-picks needs f, which is not installed",
    ]
    assert unmet(["A>=2"], version=version, requires=lambda name: ()) == [
        "cryoet-picks needs A >=2, but 1.5 is installed"
    ]


def test_circles_extras_and_release_candidates_are_no_fault():
    assert unmet(["e>=2"], version=version, requires=requires) == []
    assert unmet(["a"], version=version, requires=lambda name: ["a"]) == []


def test_pairs_that_are_both_there_are_told():
    assert bad_pairs(version=lambda name: None) == []
    assert bad_pairs(version={"opencv-python": "4.8"}.get) == []
    (words,) = bad_pairs(version={"opencv-python": "4.8", "opencv-python-headless": "4.8"}.get)
    assert words.startswith("opencv-python and opencv-python-headless: both write")


def test_this_environment_has_what_it_needs():
    import tomllib
    from pathlib import Path

    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    known = {"click", "shtab"}  # of the console command only
    assert [words for words in unmet(project["dependencies"]) if not any(name in words for name in known)] == []
