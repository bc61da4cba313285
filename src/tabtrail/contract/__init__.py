"""What a column and a row must be; the expression language."""
