"""The YAML files that wire the stations together, and the commands that start them."""
