"""What an experiment will need, computed from its config: parameters, memory, time, disk, teacher's tokens.

Nothing here imports torch: the Snakefile, and so every job, loads it.
"""
