"""What definitions give when they are simulated, differentiated or integrated; no closed form is known here."""
