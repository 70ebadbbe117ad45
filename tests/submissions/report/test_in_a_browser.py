"""The page in a real browser: sliders move counts and the command, heads sort the table, no network is asked."""

import html
import json
import os
import re
import shlex
import shutil
import subprocess

import pytest

from submissions.make import main as make
from submissions.make import parser
from tests.submissions.conftest import RUN
from tests.submissions.prediction.test_inference import calls
from tests.submissions.test_make import submission
from tomograms.files import read_json

CHROMIUM = next((path for name in ("chromium", "chromium-browser") if (path := shutil.which(name))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine")
DRIVE = """
<script>
const seen = {errors: []};
addEventListener("error", (event) => seen.errors.push(event.message));
const move = (name, k) => {
  const card = document.querySelector(`.point[data-species="${name}"]`), slider = card.querySelector("input");
  slider.value = k;
  slider.dispatchEvent(new Event("input"));
  const cells = [...card.querySelectorAll("tr.chosen [data-k]")].map((cell) => [cell.dataset.k, cell.textContent]);
  return {shown: !card.querySelector("tr.chosen").hidden && !slider.hidden, ...Object.fromEntries(cells)};
};
seen.before = document.getElementById("command").textContent;
seen.ribosome = move("ribosome", 30);
seen.ferritin = move("apo-ferritin", 60);
seen.command = document.getElementById("command").textContent;
document.getElementById("reset").click();
seen.after = document.getElementById("command").textContent;
const table = document.querySelector("#tomograms table"), head = table.tHead.rows[0].cells[2];
const column = () => [...table.tBodies[0].rows].map((row) => Number(row.cells[2].textContent));
head.click();
seen.falling = column();
head.click();
seen.rising = column();
seen.wide = document.documentElement.scrollWidth;
seen.window = document.documentElement.clientWidth;
const loaded = performance.getEntriesByType("resource").map((one) => one.name);
seen.loaded = loaded.filter((name) => !name.startsWith("data:"));
document.body.textContent = "";
document.body.append(Object.assign(document.createElement("pre"), {id: "seen", textContent: JSON.stringify(seen)}));
</script>
"""


def drive(page, folder, width):
    """Return what a script sees that runs at the end of the page, in a window of this width in pixels."""
    copy = folder / "driven.html"
    text = page.read_text(encoding="utf-8")
    copy.write_text(text.replace("</body>", DRIVE + "</body>"), encoding="utf-8")
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--dump-dom"]
    sizes = [f"--user-data-dir={folder / 'profile'}", f"--window-size={width},900"]
    dump = subprocess.run(
        [CHROMIUM, *options, *sizes, copy.as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "HOME": str(folder)},
    ).stdout
    return json.loads(html.unescape(re.findall(r'<pre id="seen">(.*?)</pre>', dump, re.DOTALL)[0]))


def test_sliders_heads_and_a_narrow_window(reported, tmp_path_factory):
    folder = tmp_path_factory.mktemp("browser")
    page = reported.root / RUN / "report.html"
    told = read_json(reported.root / RUN / "report.json")
    seen = drive(page, folder, 500)  # no narrower window opens without a screen
    assert not seen["errors"] and not seen["loaded"]
    assert seen["wide"] <= seen["window"]  # wide tables scroll in themselves

    point = told["operating"]
    for name, k, cells in (("ribosome", 30, seen["ribosome"]), ("apo-ferritin", 60, seen["ferritin"])):
        own = point["species"][name]
        assert cells["shown"] and cells["threshold"] == f"from {point['threshold'][k]:g}"
        assert [int(cells[key]) for key in ("hits", "false", "missed", "new_picks")] == [
            own["tp"][k],
            own["fp"][k],
            own["truth"] - own["tp"][k],
            own["new_picks"][k],
        ]
        assert cells["f_beta"] == f"{own['f_beta'][k]:.3f}" and cells["recall"] == f"{own['recall'][k]:.3f}"
    assert seen["before"] == seen["after"] == point["command"] != seen["command"]
    assert seen["falling"] == sorted((row["picks"] for row in told["tomograms"]), reverse=True)
    assert seen["rising"] == seen["falling"][::-1]

    words = shlex.split(seen["command"].replace("python -m submissions.make", ""))
    assert parser().parse_args(words).threshold == [
        f"ribosome={point['threshold'][30]:g}",
        f"apo-ferritin={point['threshold'][60]:g}",
    ]
    assert make(words) == 0 and calls() == (0, 0)  # the command does what the page says
    picks = submission(reported)["particle_type"].value_counts()
    for name, k in (("ribosome", 30), ("apo-ferritin", 60)):
        assert picks.get(name, 0) == point["species"][name]["new_picks"][k]
    assert picks.get("thyroglobulin", 0) == point["species"]["thyroglobulin"]["now"]["new_picks"]
