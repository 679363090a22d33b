"""Small tensors are fastest on one thread; and a noisy machine is no fault: laws are checked without deadlines."""

import torch
from hypothesis import settings

torch.set_num_threads(1)

settings.register_profile("no_deadline", deadline=None)
settings.load_profile("no_deadline")
