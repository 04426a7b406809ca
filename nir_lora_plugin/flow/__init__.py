"""What the dock's buttons do: the steps in order, each with its panel, its tasks and its layers."""
