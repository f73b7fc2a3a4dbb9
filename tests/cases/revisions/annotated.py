"""typed identifiers
on two lines
"""
from collections.abc import Sequence
from typing import Union

revision: str = '0a1b2c3d4e5f'  # Part of: 1.2.3
down_revision: Union[str, Sequence[str], None] = 'f5e4d3c2b1a0'
branch_labels: Union[str, None] = None
depends_on: "str | None" = None
