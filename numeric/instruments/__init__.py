"""Instruments sharper than plain draws, with bounds on their errors: quadrature, balls, cubature, grids."""
