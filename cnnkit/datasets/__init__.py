"""A folder or a list → labelled pictures (`reading`), honestly split (`splitting`)."""
