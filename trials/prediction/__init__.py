"""Trained networks as predictions need them, with and without PyTorch; one frame after another; as segments."""
