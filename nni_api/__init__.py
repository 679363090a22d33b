"""NNI as seen by tuners, trials and commands: manager, register, folders, logs, and the report of a trial."""
