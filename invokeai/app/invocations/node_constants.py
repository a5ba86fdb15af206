"""Numbers and lists that nodes share."""

import random
from typing import get_args

from invokeai.app.invocations.schedulers import SchedulerName

SEED_MAX = 2**32 - 1
LATENT_SCALE_FACTOR = 8
"""Pixels along one side that one latent covers."""
SCHEDULER_NAME_VALUES = SchedulerName
SCHEDULER_NAMES: tuple[str, ...] = get_args(SchedulerName)


def get_random_seed() -> int:
    """Any seed, 0 to SEED_MAX."""
    return random.randint(0, SEED_MAX)
