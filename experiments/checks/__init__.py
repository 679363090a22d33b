"""What must be refused before NNI starts an experiment: commands, tuners, GPUs and room."""
