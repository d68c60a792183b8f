"""The top floor: where formulas meet their experiments, and the command line."""
