"""The robust tables: every answer counted, intervals over questions, tests between runs on the same questions."""
