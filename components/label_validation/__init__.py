"""What must hold before anything is trained: every pair opens, fits together, and speaks the class table's colours."""
