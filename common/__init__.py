"""General utilities: files, bad input, command lines, HTTP on this machine. Nothing here knows this field."""
