"""Do evaluations that are cheaper than a full training rank structures as full trainings do?"""
