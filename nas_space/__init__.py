"""What may vary: structures, the search spaces around them, and the networks built from them."""
