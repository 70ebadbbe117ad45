"""The tilt series: angles, doses, defoci and what is left of the misalignment."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomograms.simulator.settings import Conditions


@dataclass(frozen=True)
class Tilts:
    """One row per image, from the lowest to the highest angle; the tilt axis is y.

    Attributes
    ----------
    angle
        ``(t,)`` as the reconstruction believes it, radians.
    angle_error
        ``(t,)`` added to it at the microscope, radians.
    shift
        ``(t, 2)`` yx, voxels, by which the image is off.
    dose
        Electrons per Å² of one image.
    dose_before
        ``(t,)`` electrons per Å² that the sample had taken at the image's middle.
    defocus
        ``(t,)`` µm, under focus.
    """

    angle: NDArray[np.float64]
    angle_error: NDArray[np.float64]
    shift: NDArray[np.float64]
    dose: float
    dose_before: NDArray[np.float64]
    defocus: NDArray[np.float64]


def tilt_series(conditions: Conditions, rng: np.random.Generator) -> Tilts:
    """Return a dose-symmetric tilt series.

    The misalignment is free of any rigid motion of the sample (and the angle errors of their mean), because a
    tomogram's own frame is what the truth refers to.
    """
    number = 2 * int(np.floor(conditions.half_range / conditions.step + 1e-9)) + 1
    angle = np.deg2rad((np.arange(number) - number // 2) * conditions.step)
    dose = conditions.dose / number
    order = np.argsort(np.abs(angle), kind="stable").argsort()
    shift = rng.normal(0, conditions.misalignment, (number, 2))
    rigid = np.stack([np.cos(angle), np.sin(angle)], axis=1)  # of x and z
    shift[:, 1] -= rigid @ np.linalg.lstsq(rigid, shift[:, 1], rcond=None)[0]
    shift[:, 0] -= shift[:, 0].mean()
    error = np.deg2rad(rng.normal(0, conditions.angle_error, number))
    defocus: NDArray[np.float64] = np.clip(
        conditions.defocus + rng.normal(0, conditions.defocus_jitter, number), 0.2, None
    )
    return Tilts(angle, error - error.mean(), shift, dose, (order + 0.5).astype(np.float64) * dose, defocus)
