"""The page on which the models' answers are read: filtered, and side by side for two runs."""
