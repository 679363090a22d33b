"""What may vary: structures, the search spaces around them, and the networks built from them."""

import os

# GNU's OpenMP, which PyTorch's wheels ship, reads this when it is loaded. By default its threads spin while they wait
# for each other, and where the cores are busy they keep the very thread that they wait for from its core: beside two
# busy processes on two cores, a training with two threads took 8 to 25 times as long as one (benchmarks.busy_machine).
# Every package that loads PyTorch imports this one first. What the user has set stands.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
