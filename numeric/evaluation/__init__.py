"""How fast values are computed: checks at the door, blocks, tables, and arithmetic that loses nothing."""
