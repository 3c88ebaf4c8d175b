"""MiniStack under our care: its environment (`launch`), and the entry that runs inside its own
interpreter (`__main__`, `bridge`, `saver`), where nothing but MiniStack and the standard library exists."""
