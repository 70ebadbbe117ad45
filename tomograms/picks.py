"""Picks: annotated particle centres as one table.

Columns ``experiment, particle_type, x, y, z``: run name, species, and the centre in Å (float64).
"""

from __future__ import annotations

TRUTH_COLUMNS = ["experiment", "particle_type", "x", "y", "z"]
