"""The page to read the models' answers on: filtered, and side by side for two runs."""
