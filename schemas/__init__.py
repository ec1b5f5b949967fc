"""What model columns return. Every field's description is also the model's instruction."""
