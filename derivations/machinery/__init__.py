"""What the derivations run on: proof, enclosure, printing, the catalogue."""
