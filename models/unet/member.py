"""The ``unet`` member: a MONAI 3D U-Net on crops, whole class maps at inference."""

from collections.abc import Mapping, Sequence

from models.member import Learner
from models.unet.network import UNET
from models.unet.settings import PRESETS, UNetSettings, check_settings
from models.volume_member import VolumeMember
from tomograms.particles import Particle


class UNetMember(VolumeMember):
    """See `models.member.Member`."""

    name = UNET.name
    architecture = UNET
    presets: Mapping[str, UNetSettings] = PRESETS

    def check(self, settings: UNetSettings) -> None:
        """See `models.member.Member.check`."""
        check_settings(settings)

    def learner(self, *, particles: Sequence[Particle], settings: UNetSettings, seed: int, device: str) -> Learner:
        """See `models.member.Member.learner`."""
        from models.unet.training import UNetLearner  # prediction does without what only training needs

        return UNetLearner(settings, particles, seed, device)
