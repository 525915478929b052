"""What the outputs into SQL databases share: table shapes, rows as text, transactions and progress."""
