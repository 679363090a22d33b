"""What may vary: structures, the search spaces around them, and the networks built from them."""

import os

# GNU's OpenMP, which PyTorch's wheels ship, reads this when it is loaded. By default its threads spin while they wait
# for each other; on busy cores they take the core of the very thread that they wait for: beside two busy processes on
# two cores, a training with two threads took 8 to 25 times as long as one (benchmarks.busy_machine).
# Every package that loads PyTorch imports this one first. A value that the user has set takes precedence.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
