"""The layers in the forms that are fast on a CPU: packed videos, without padding, in few passes over memory."""
