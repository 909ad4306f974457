"""The teacher: prompts as files, a client, a journal of answers, the inversion, and teachers on loopback."""
