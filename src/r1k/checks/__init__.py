"""Is an inverse one: six verdicts on each reverse example, by rules, and by a judge where rules cannot decide."""
