"use strict";
// Sorting: a click on a column's head; numbers stand in data-v, what is unknown comes last.
for (const table of document.querySelectorAll("table.sortable")) {
  table.classList.add("live");
  const body = table.tBodies[0];
  const value = (row, k) => {
    const cell = row.cells[k], text = cell.dataset.v ?? cell.textContent.trim();
    return text === "" ? null : isNaN(text) ? text : Number(text);
  };
  const heads = [...table.tHead.rows[0].cells];
  const sort = (k) => {
    const falling = heads[k].getAttribute("aria-sort") !== "descending";
    heads.forEach((head) => head.removeAttribute("aria-sort"));
    heads[k].setAttribute("aria-sort", falling ? "descending" : "ascending");
    const rows = [...body.rows].map((row) => [value(row, k), row]);
    rows.sort(([a], [b]) => {
      if (a === null || b === null) return (a === null) - (b === null);
      const order = typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b));
      return falling ? -order : order;
    });
    body.append(...rows.map(([, row]) => row));
  };
  heads.forEach((head, k) => {
    head.tabIndex = 0;
    head.addEventListener("click", () => sort(k));
    head.addEventListener("keydown", (event) => event.key === "Enter" && sort(k));
  });
}
// Operating points: a slider a species chooses a threshold; counts and the command follow.
const data = document.getElementById("operating-data");
if (data) {
  const { threshold, species, command, given } = JSON.parse(data.textContent);
  const chosen = new Map();
  const figure = (x) => (x === null || x === undefined ? "–" : x.toFixed(3));
  const quoted = (text) => (/^[\w@%+=:,./-]+$/.test(text) ? text : "'" + text.replaceAll("'", "'\"'\"'") + "'");
  const show = () => {
    const all = { ...given, ...Object.fromEntries([...chosen].map(([name, k]) => [name, threshold[k]])) };
    const words = Object.entries(all).map(([name, value]) => quoted(`${name}=${value}`));
    document.getElementById("command").textContent = words.length ? `${command} --threshold ${words.join(" ")}` : command;
  };
  const cards = [...document.querySelectorAll(".point")];
  for (const card of cards) {
    const name = card.dataset.species, own = species[name], slider = card.querySelector("input");
    const row = card.querySelector("tr.chosen"), marker = card.querySelector(".marker");
    slider.hidden = false;
    slider.addEventListener("input", () => {
      const k = Number(slider.value);
      chosen.set(name, k);
      row.hidden = false;
      const cells = { threshold: `from ${threshold[k]}`, new_picks: own.new_picks[k] };
      if (own.tp) {
        Object.assign(cells, { hits: own.tp[k], false: own.fp[k], missed: own.truth - own.tp[k],
          precision: figure(own.precision[k]), recall: figure(own.recall[k]), f_beta: figure(own.f_beta[k]) });
      }
      for (const cell of row.querySelectorAll("[data-k]")) cell.textContent = cells[cell.dataset.k];
      if (marker) {
        marker.hidden = false;
        marker.style.left = `${marker.dataset.left * 100 + (marker.dataset.width * 100 * k) / (threshold.length - 1)}%`;
      }
      show();
    });
  }
  const reset = document.getElementById("reset");
  reset.hidden = false;
  reset.addEventListener("click", () => {
    chosen.clear();
    for (const part of document.querySelectorAll(".point tr.chosen, .point .marker")) part.hidden = true;
    show();
  });
}
