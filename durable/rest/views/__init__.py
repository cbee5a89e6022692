"""The views, one file for each kind of thing: parse, ask the engine, answer."""
