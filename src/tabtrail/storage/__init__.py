"""Local folders and object stores behind one small interface, and databases."""
