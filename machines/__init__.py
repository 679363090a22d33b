"""Trials of NNI on other machines, over ssh."""
