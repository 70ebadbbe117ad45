"""Every stage whose behaviour is frozen, with how far its numbers may move from one machine to another."""

from __future__ import annotations

from tests.golden import data_stages, fusion_stages, network_stages, output_stages
from tests.golden.store import Stage

SUMS = "numpy adds in another order with another instruction set, and its exp and log round differently"
SOLVER = f"{SUMS}; the logistic regressions' solvers stop where their tolerance lets them"
NETWORK = "convolutions add in another order with another instruction set"
STEPS = f"{NETWORK}, and AdamW's first steps have the size of the rate, however small a gradient is"
NOISE = (
    "torch's FFT, exp and sums in float32, and with them an electron more or less in a pixel; should another machine's "
    "noise take another course altogether, only the projections can be compared"
)

STAGES: dict[str, Stage] = {
    "reading": Stage(data_stages.reading, rtol=1e-12, reason=SUMS),
    "ome-zarr": Stage(data_stages.ome_zarr),
    "pick-file": Stage(data_stages.pick_file),
    "targets": Stage(data_stages.targets),
    "crops": Stage(data_stages.crops),
    "slices": Stage(data_stages.slices),
    "slices-zoomed": Stage(data_stages.zoomed_slices, atol=1.0, reason="OpenCV rounds grey levels as it is built"),
    "circles": Stage(data_stages.circle_geometry, rtol=1e-9, atol=1e-9, reason="numpy's sin and cos"),
    "simulator": Stage(data_stages.simulator, rtol=1e-4, atol=1e-2, reason=NOISE),
    "projections": Stage(data_stages.projections, rtol=1e-4, atol=1e-2, reason="torch's FFT and sums in float32"),
    "peaks": Stage(network_stages.peaks, rtol=1e-6, atol=1e-4, reason=SUMS),
    "linking": Stage(network_stages.linking, rtol=1e-9, atol=1e-9, reason=SUMS),
    "windows": Stage(network_stages.windows),
    "maps": Stage(network_stages.maps, rtol=2e-3, atol=2e-3, reason="sums in float32, rounded to fp16"),
    "shipped-unet": Stage(network_stages.shipped_unet, rtol=1e-4, atol=1e-3, reason=NETWORK),
    "shipped-detector": Stage(network_stages.shipped_detector, rtol=1e-4, atol=1e-3, reason=NETWORK),
    "shipped-yolo": Stage(network_stages.shipped_yolo, rtol=1e-4, atol=1e-3, reason=NETWORK),
    "first-losses": Stage(network_stages.first_losses, rtol=1e-4, reason=NETWORK),
    "unet-training": Stage(network_stages.unet_training, rtol=3e-3, reason=STEPS),
    "detector-training": Stage(network_stages.detector_training, rtol=3e-3, reason=STEPS),
    "yolo-training": Stage(network_stages.yolo_training, rtol=3e-2, reason=STEPS),
    "unet-fit": Stage(network_stages.unet_fit, rtol=1e-4, atol=1e-3, reason=STEPS),
    "detector-fit": Stage(network_stages.detector_fit, rtol=1e-4, atol=1e-3, reason=STEPS),
    "yolo-fit": Stage(network_stages.yolo_fit, rtol=1e-3, atol=1e-3, reason=STEPS),
    "settings": Stage(network_stages.settings),
    "model-average": Stage(network_stages.model_average, rtol=1e-6, atol=1e-4, reason=SUMS),
    "folds": Stage(fusion_stages.folds),
    "metric": Stage(fusion_stages.metric),
    "thresholds": Stage(fusion_stages.thresholds, rtol=1e-12, reason=SUMS),
    "nested": Stage(fusion_stages.nested_report, rtol=1e-9, atol=1e-12, reason=SUMS),
    "calibration": Stage(fusion_stages.calibration, rtol=1e-6, atol=1e-9, reason=SOLVER),
    "clustering": Stage(fusion_stages.clustering, rtol=1e-9, atol=1e-9, reason=SUMS),
    "residuals": Stage(fusion_stages.residuals, rtol=1e-9, atol=1e-9, reason=SUMS),
    "fitting": Stage(fusion_stages.fitting, rtol=1e-6, atol=1e-8, reason=SOLVER),
    "baselines": Stage(fusion_stages.baselines, rtol=1e-6, atol=1e-8, reason=SOLVER),
    "comparison": Stage(fusion_stages.comparison, rtol=1e-6, atol=1e-8, reason=SOLVER),
    "submission": Stage(output_stages.submission),
    "exports": Stage(output_stages.exports),
    "copick": Stage(output_stages.copick),
    "budget": Stage(output_stages.budget),
}
