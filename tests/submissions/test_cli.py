import re
import shutil
import subprocess
import sys
from importlib import import_module, metadata
from pathlib import Path

import pytest
from click.testing import CliRunner

from submissions import copick_plugin
from submissions.cli import SHELLS, WORDS, completion, main, run_word
from tomograms.errors import InputError, run_command
from tomograms.program import program

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("word", WORDS)
def test_every_word_is_a_command_that_tells_its_own_name(word, capsys):
    with pytest.raises(SystemExit) as end:
        main([word, "--help"])
    assert end.value.code == 0
    assert capsys.readouterr().out.startswith(f"usage: cryoet-picks {word} [-h]")


@pytest.mark.parametrize("word", WORDS)
def test_the_module_tells_its_name_when_it_is_run_as_one(word):
    module = WORDS[word][0].removesuffix(".__main__")
    assert import_module(WORDS[word][0]).parser().prog == f"python -m {module}" == program(module)


def test_help_lists_every_word(capsys):
    assert main([]) is None
    text = capsys.readouterr().out
    assert all(re.search(rf"^    {word} ", text, re.MULTILINE) for word in WORDS)
    assert len(text.splitlines()) < 40


def test_the_nearest_word_is_suggested():
    with pytest.raises(InputError, match=r"got 'sumbit'; did you mean submit\?$"):
        main(["sumbit", "--run", "x"])
    with pytest.raises(InputError, match=r"got '1234'$"):
        main(["1234"])


def test_a_command_gets_its_arguments_and_gives_its_exit_code(tmp_path, capsys):
    path = tmp_path / "s.csv"
    path.write_text("id,experiment,particle_type,x,y,z\n0,TS_8,ribosome,1.0,2.0,3.0\n")
    assert main(["check", str(path)]) is None
    assert "valid; 1 particle in" in capsys.readouterr().out
    path.write_text("id,x\n")
    with pytest.raises(SystemExit) as end:
        run_command(main, ["check", str(path)])
    assert end.value.code == 2 and capsys.readouterr().err.startswith("error: ")


def test_the_name_is_forgotten_after_the_command(tmp_path):
    with pytest.raises(InputError):
        run_word("check", [str(tmp_path / "none.csv")], name="elsewhere check")
    assert program("submissions.check") == "python -m submissions.check"


@pytest.mark.parametrize("shell", SHELLS)
def test_a_completion_knows_commands_options_and_choices(shell):
    script = completion(shell)
    assert all(word in script for word in WORDS)
    assert "extra-tomo-types" in script  # of evaluation.cv
    assert "relion5" in script  # a choice of submissions.make


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash")
def test_bash_completes_a_word_and_an_option():
    script = completion("bash") + (
        '\n_try() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=(); _shtab_cryoet_picks cryoet-picks; '
        'echo "${COMPREPLY[@]}"; }\n_try cryoet-picks subm\n_try cryoet-picks submit --over\n'
    )
    result = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    assert result.stdout.splitlines()[-2:] == ["submit", "--overwrite"]


def test_copick_finds_the_plug_ins_that_are_declared():
    import tomllib

    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]
    from copick.cli.ext import PLUGIN_GROUPS

    for group, commands in declared.items():
        place = group.removeprefix("copick.").removesuffix(".commands")
        assert place in PLUGIN_GROUPS
        for name, target in commands.items():
            command = metadata.EntryPoint(name, target, group).load()
            result = CliRunner().invoke(command, ["--help"])
            assert result.exit_code == 0
            assert result.output.startswith(f"usage: copick {place} {name} [-h]")


def test_a_plug_in_hands_arguments_on_as_they_are(tmp_path):
    result = CliRunner().invoke(copick_plugin.runs, ["--runs", str(tmp_path), "a", "--average"])
    assert result.exit_code == 2
    assert "--average: expected two or more different runs, but got a" in result.output


def test_help_of_all_commands_loads_nothing_heavy():
    code = (
        "import sys\nfrom submissions.cli import main\nmain([])\n"
        "print([n for n in ('torch', 'pandas', 'numpy', 'copick', 'shtab') if n in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert result.stdout.splitlines()[-1] == "[]"
