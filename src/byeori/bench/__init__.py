"""Side by side with transformers on the user's own model and file: `byeori bench train|predict|generate|tokenize`."""
