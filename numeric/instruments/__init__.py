"""Instruments sharper than plain draws: with a bound (quadrature, balls, cubature, grids), and shifted nets."""
