"""The names of the methods that `evaluate` measures and `report` shows."""

FINAL_BOX, BEST_PROPOSAL = "reg", "proposal"
MODEL_METHODS = (FINAL_BOX, BEST_PROPOSAL, "refined")
BOUNDS = ("oracle", "oracle_whole_image")
