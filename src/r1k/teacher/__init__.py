"""Inversion by a teacher: prompts as files, a client, a journal of what was bought, and the teachers on loopback."""
