"""What to try next: the search algorithms, and the NNI tuners that run them."""
