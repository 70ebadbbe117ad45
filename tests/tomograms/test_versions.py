import os
import subprocess

from tomograms import versions


def test_asking_for_the_commit_leaves_the_repository_alone(tmp_path, monkeypatch):
    """Git writes its index anew on the way: a process that is killed just then would leave it locked."""
    module = tmp_path / "tomograms" / "versions.py"
    module.parent.mkdir()
    module.write_text("")
    name = ["-c", "user.name=somebody", "-c", "user.email=somebody@example.org"]
    for words in (["init", "-q"], ["add", "."], [*name, "commit", "-q", "-m", "first"]):
        subprocess.run(["git", *words], cwd=tmp_path, check=True)
    monkeypatch.setattr(versions, "__file__", str(module))
    os.utime(module, (1, 1))
    index = (tmp_path / ".git" / "index").read_bytes()
    commit = versions.commit()
    assert commit is not None
    assert len(commit) == 40
    assert (tmp_path / ".git" / "index").read_bytes() == index
    module.write_text("changed")
    assert versions.commit() == f"{commit}+"
