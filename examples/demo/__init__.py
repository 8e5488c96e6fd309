"""The main job end to end, on this machine: `python -m examples.demo`."""
