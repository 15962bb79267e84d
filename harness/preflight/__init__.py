"""What a look at each candidate's tokenizer, chat template and size tells before anything is trained."""
