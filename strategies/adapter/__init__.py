"""Between a search algorithm and NNI: who works on what, failures, resume, the end."""
