"""Estimates of an experiment's needs, from its config: parameters, memory, time, disk, teacher tokens.

The package must not import torch, because every job loads the Snakefile, which loads this package.
"""
