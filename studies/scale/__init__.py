"""How long searches take on many GPUs: an event simulation from measured times, and its check against real runs."""
