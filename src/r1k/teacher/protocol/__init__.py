"""What OpenAI-compatible providers send: completions, errors, finish reasons, and marks of the model in its text."""
