"""What is answered: questions and their answers, their forms, their description, errors."""
