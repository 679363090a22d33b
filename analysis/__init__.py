"""Keep the best and show why: the history of a search and what is exported from it."""
