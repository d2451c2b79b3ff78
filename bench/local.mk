# bench: load generators; they are run by hand and not installed.
