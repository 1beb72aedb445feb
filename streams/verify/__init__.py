"""Proves and explains an answer: its view's definition as SQL over exactly the records that it rests on."""
