"""What assets are given to work with: the settings and the lake."""

from dataclasses import dataclass

from sensorhouse.settings import Settings
from sensors_io.lake import Lake, open_lake


@dataclass(frozen=True)
class House:
    """The settings and the lake; assets take it as `house: dg.ResourceParam[House]`."""

    settings: Settings

    @property
    def lake(self) -> Lake:
        """The lake that the settings name."""
        return open_lake(self.settings)
