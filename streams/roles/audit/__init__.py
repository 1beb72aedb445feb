"""The audit role: all views are proved over Bronze, again and again."""
