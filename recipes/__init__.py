"""One module a recipe: what a dataset consists of, column by column. Found by listing this folder."""
