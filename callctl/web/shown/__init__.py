"""What pages show and how they put it: pure views of pictures and figures, and formats in the reader's language."""
