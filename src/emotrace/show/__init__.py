"""What people read: figures, readable tables, the pages of the book, the listening page, the report."""
