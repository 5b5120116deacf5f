"""The names of the methods that `evaluate` measures and `report` shows."""

MODEL_METHODS = ("reg", "proposal", "refined")
BOUNDS = ("oracle", "oracle_whole_image")
