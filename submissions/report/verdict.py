"""The verdict of a report: the nested score, how far it goes, and what it beats, in sentences and figures."""

from typing import Any

from ensemble.comparison import TUNED
from submissions.report.material import Layer, Material
from tomograms.console import counted


def verdict(material: Material) -> dict[str, Any]:
    """Return the sentences, and the figures that stand in them as ``ensemble.json`` tells them."""
    told = material.scores.get(TUNED)
    if told is None:
        return {"sentences": [new_sentence(material.new)]}
    best = material.record["best_member"]
    against = material.record["minus_best_member"][TUNED]
    figures = {name: told[name] for name in ("nested", "interval", "optimum", "gap")}
    tp, fp, fn = (sum(own["counts"][k] for own in told["particles"].values()) for k in range(3))
    held_out = sum(len(fold["counts"]) for fold in told["folds"])
    label = " simulated" if material.run.record.simulated else ""
    interval = told["interval"]
    sentences = [
        f"On {counted(held_out, f'held-out{label} tomogram')} the ensemble scores {told['nested']:.3f} nested "
        f"(95 % interval {interval['low']:.3f} to {interval['high']:.3f}).",
        f"Fitted to the same tomograms it would score {told['optimum']:.3f}; the gap of {told['gap']:.3f} is what luck "
        "adds to a careless report.",
        f"It reports {tp + fp} picks and finds {tp} of {tp + fn} particles; {_of(tp, tp + fp)} of its picks are right.",
    ]
    if len(material.fusion.ensemble.members) > 1:
        sides = "; the interval holds 0, so these tomograms do not settle it" if _holds_0(against) else ""
        sentences.append(
            f"Against its best member, {best}: {against['estimate']:+.3f} "
            f"(95 % interval {against['low']:+.3f} to {against['high']:+.3f}{sides})."
        )
    if material.new.names:
        sentences.append(new_sentence(material.new))
    return {"sentences": sentences, **figures, "best_member": best, "minus_best_member": dict(against)}


def new_sentence(layer: Layer) -> str:
    """Return what was found in new tomograms, by their own probabilities."""
    if not layer.names:
        return "No new tomogram has been predicted."
    picks, right = len(layer.kept), float(layer.kept["score"].sum())
    return (
        f"In {counted(len(layer.names), 'new tomogram')} it reports {counted(picks, 'pick')}; by their own "
        f"probabilities {right:.0f} of them are right ({_of(right, picks)})."
    )


def _of(part: float, whole: float) -> str:
    return f"{100 * part / whole:.0f} %" if whole else "none"


def _holds_0(interval: dict[str, float]) -> bool:
    return interval["low"] <= 0 <= interval["high"]
