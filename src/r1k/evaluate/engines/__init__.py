"""Inference engines, which turn prompts into tokens: transformers and vLLM."""
