"""What reasoning direction does to fine-tuned language models: data, training, probing, evaluation, report."""

__version__ = "0.2.0"
