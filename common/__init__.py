"""What any program needs, and nothing of this field: files, bad input, command lines, HTTP on this machine."""
