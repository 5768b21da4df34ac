"""Takes each guard of the product away, in a copy of the tree, and sees which check notices."""
