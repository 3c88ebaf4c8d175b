"""MiniStack under our care: `launch` and `server` start it; `__main__`, `bridge` and `saver` run
inside its own interpreter, where nothing but MiniStack and the standard library exists.
"""
