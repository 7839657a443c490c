"""统一答复口径: written by the assisted city, approved by another person, read by every agent who helps."""
