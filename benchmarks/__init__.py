"""Speed, memory and what a search rests on, measured: each file is a command, and so is each package."""
