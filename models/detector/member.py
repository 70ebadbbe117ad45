"""The ``detector`` member: a 3D point detector on crops, heat and offsets of whole tomograms at inference."""

from collections.abc import Mapping, Sequence

from models.detector.network import DETECTOR
from models.detector.settings import PRESETS, DetectorSettings, check_settings
from models.member import Learner
from models.volume_member import VolumeMember
from tomograms.particles import Particle


class DetectorMember(VolumeMember):
    """See `models.member.Member`."""

    name = DETECTOR.name
    architecture = DETECTOR
    presets: Mapping[str, DetectorSettings] = PRESETS

    def check(self, settings: DetectorSettings) -> None:
        """See `models.member.Member.check`."""
        check_settings(settings)

    def learner(self, *, particles: Sequence[Particle], settings: DetectorSettings, seed: int, device: str) -> Learner:
        """See `models.member.Member.learner`."""
        from models.detector.training import DetectorLearner  # prediction does without what only training needs

        return DetectorLearner(settings, particles, seed, device)
